/**
 * Geometry of boxes and of the view on an image, without drawing.
 *
 * Boxes are in pixels of the upright image (its EXIF orientation applied), the frame in which regions are stored.
 * The view maps them to the stage, in CSS pixels: stage = image * scale + offset.
 */

export interface Point {
  x: number;
  y: number;
}

export interface Size {
  width: number;
  height: number;
}

/** Left upper corner and size. */
export interface Box extends Point, Size {}

export const HANDLES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"] as const;
export type Handle = (typeof HANDLES)[number];

/** The shortest side of a box, in pixels of the image. */
const SHORTEST = 1;

const clamp = (value: number, low: number, high: number) => Math.min(Math.max(value, low), high);

/** The box between two corners in any order, its edges at whole pixels within the image. */
export function boxBetween(one: Point, other: Point, image: Size): Box {
  const [left, right] = span(one.x, other.x, image.width);
  const [top, bottom] = span(one.y, other.y, image.height);
  return { x: left, y: top, width: right - left, height: bottom - top };
}

/** Both ends at whole pixels from 0 to `length`, at least SHORTEST apart. */
function span(one: number, other: number, length: number): [number, number] {
  const low = clamp(Math.round(Math.min(one, other)), 0, Math.max(0, length - SHORTEST));
  const high = clamp(Math.round(Math.max(one, other)), low + SHORTEST, Math.max(length, low + SHORTEST));
  return [low, high];
}

/** The box shifted, held within the image. */
export function moved(box: Box, dx: number, dy: number, image: Size): Box {
  return {
    ...box,
    x: clamp(box.x + dx, 0, Math.max(0, image.width - box.width)),
    y: clamp(box.y + dy, 0, Math.max(0, image.height - box.height)),
  };
}

/** The box with a handle dragged to a point; beyond the opposite edge it turns over. */
export function resized(box: Box, handle: Handle, to: Point, image: Size): Box {
  const right = box.x + box.width;
  const bottom = box.y + box.height;
  // The dragged edge and the one that stays.
  const horizontal = handle.includes("w") ? [to.x, right] : handle.includes("e") ? [to.x, box.x] : null;
  const vertical = handle.includes("n") ? [to.y, bottom] : handle.includes("s") ? [to.y, box.y] : null;
  const result = { ...box };
  if (horizontal) {
    const [low, high] = stretch(horizontal[0] ?? 0, horizontal[1] ?? 0, image.width);
    result.x = low;
    result.width = high - low;
  }
  if (vertical) {
    const [low, high] = stretch(vertical[0] ?? 0, vertical[1] ?? 0, image.height);
    result.y = low;
    result.height = high - low;
  }
  return result;
}

/** From a dragged end, at a whole pixel within the image, to the fixed end, which stays exactly where it is. */
function stretch(dragged: number, fixed: number, length: number): [number, number] {
  let end = clamp(Math.round(dragged), 0, length);
  if (Math.abs(end - fixed) < SHORTEST) {
    end = dragged < fixed || fixed + SHORTEST > length ? fixed - SHORTEST : fixed + SHORTEST;
  }
  return end < fixed ? [Math.max(0, end), fixed] : [fixed, end];
}

/** The box with its right and lower edges moved by whole pixels, as keys do. */
export function grown(box: Box, dx: number, dy: number, image: Size): Box {
  return {
    ...box,
    width: dx === 0 ? box.width : clamp(Math.round(box.x + box.width + dx) - box.x, SHORTEST, image.width - box.x),
    height: dy === 0 ? box.height : clamp(Math.round(box.y + box.height + dy) - box.y, SHORTEST, image.height - box.y),
  };
}

/** The box with its left and top edges moved by whole pixels, as keys do. */
export function grownBefore(box: Box, dx: number, dy: number, image: Size): Box {
  const [right, bottom] = [box.x + box.width, box.y + box.height];
  const x = dx === 0 ? box.x : clamp(Math.round(box.x + dx), 0, Math.min(right, image.width) - SHORTEST);
  const y = dy === 0 ? box.y : clamp(Math.round(box.y + dy), 0, Math.min(bottom, image.height) - SHORTEST);
  return { x, y, width: right - x, height: bottom - y };
}

/** A copy of a box, beside it: shifted so that both are seen, within the image. */
export function besides(box: Box, image: Size): Box {
  const step = Math.max(4, Math.round(Math.min(box.width, box.height) / 5));
  const after = moved(box, step, step, image);
  return after.x === box.x && after.y === box.y ? moved(box, -step, -step, image) : after;
}

export function contains(box: Box, point: Point): boolean {
  return point.x >= box.x && point.y >= box.y && point.x <= box.x + box.width && point.y <= box.y + box.height;
}

export function area(box: Box): number {
  return box.width * box.height;
}

/** The smallest of the boxes around a point, so that nested boxes can all be chosen. */
export function smallestAt<Item extends { box: Box }>(items: readonly Item[], point: Point): Item | undefined {
  let found: Item | undefined;
  for (const item of items) if (contains(item.box, point) && (!found || area(item.box) < area(found.box))) found = item;
  return found;
}

/** The smallest of the boxes with an edge at most `reach` from a point. */
export function edgeAt<Item extends { box: Box }>(items: readonly Item[], point: Point, reach: number): Item | undefined {
  return items
    .filter(({ box }) => contains(expanded(box, reach), point) && !contains(expanded(box, -reach), point))
    .toSorted((one, other) => area(one.box) - area(other.box))[0];
}

function expanded(box: Box, by: number): Box {
  return { x: box.x - by, y: box.y - by, width: box.width + 2 * by, height: box.height + 2 * by };
}

/** Where the handles of a box are. */
export function handlePoints(box: Box): Record<Handle, Point> {
  const [left, top, right, bottom] = [box.x, box.y, box.x + box.width, box.y + box.height];
  const [x, y] = [(left + right) / 2, (top + bottom) / 2];
  return {
    nw: { x: left, y: top },
    n: { x, y: top },
    ne: { x: right, y: top },
    e: { x: right, y },
    se: { x: right, y: bottom },
    s: { x, y: bottom },
    sw: { x: left, y: bottom },
    w: { x: left, y },
  };
}

/** The handle at most `reach` from a point; corners first, which small boxes need most. */
export function handleAt(box: Box, point: Point, reach: number): Handle | undefined {
  const points = handlePoints(box);
  const near = (handle: Handle) =>
    Math.abs(points[handle].x - point.x) <= reach && Math.abs(points[handle].y - point.y) <= reach;
  const inOrder: Handle[] = ["se", "nw", "ne", "sw", "n", "e", "s", "w"];
  return inOrder.find(near);
}

interface Region {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** A stored region (fractions of the image) in pixels. */
export function fromRegion(region: Region, image: Size): Box {
  return {
    x: region.left * image.width,
    y: region.top * image.height,
    width: region.width * image.width,
    height: region.height * image.height,
  };
}

/** A box as fractions of the image, never beyond its edges. */
export function toRegion(box: Box, image: Size): Region {
  const left = clamp(box.x / image.width, 0, 1);
  const top = clamp(box.y / image.height, 0, 1);
  return {
    left,
    top,
    width: Math.min(box.width / image.width, 1 - left),
    height: Math.min(box.height / image.height, 1 - top),
  };
}

/** stage = image * scale + (x, y), in CSS pixels. */
export interface View extends Point {
  scale: number;
}

const LARGEST_SCALE = 32;
const MARGIN = 24;

/** The view with the whole image in the middle of the stage; small images are enlarged fourfold at most. */
export function fitted(image: Size, stage: Size): View {
  const room = { width: Math.max(1, stage.width - MARGIN), height: Math.max(1, stage.height - MARGIN) };
  const scale = Math.min(room.width / image.width, room.height / image.height, 4);
  return { scale, x: (stage.width - image.width * scale) / 2, y: (stage.height - image.height * scale) / 2 };
}

/** The view enlarged by a factor; the point of the image under `at` (on the stage) stays where it is. */
export function zoomed(view: View, factor: number, at: Point, smallest: number): View {
  const scale = clamp(view.scale * factor, smallest, LARGEST_SCALE);
  const ratio = scale / view.scale;
  return { scale, x: at.x - (at.x - view.x) * ratio, y: at.y - (at.y - view.y) * ratio };
}

/** The view shifted so that some part of the image stays on the stage. */
export function panned(view: View, dx: number, dy: number, image: Size, stage: Size): View {
  const kept = 40;
  return {
    ...view,
    x: clamp(view.x + dx, kept - image.width * view.scale, stage.width - kept),
    y: clamp(view.y + dy, kept - image.height * view.scale, stage.height - kept),
  };
}

export function toImage(view: View, stage: Point): Point {
  return { x: (stage.x - view.x) / view.scale, y: (stage.y - view.y) / view.scale };
}

/** The view shifted as little as needed to show a box. */
export function showing(view: View, box: Box, stage: Size): View {
  const shift = (start: number, length: number, offset: number, room: number) => {
    const low = start * view.scale + offset;
    const high = low + length * view.scale;
    if (high - low > room || (low >= 0 && high <= room)) return offset;
    return low < 0 ? offset - low + MARGIN / 2 : offset - (high - room) - MARGIN / 2;
  };
  return {
    ...view,
    x: shift(box.x, box.width, view.x, stage.width),
    y: shift(box.y, box.height, view.y, stage.height),
  };
}

/** A box of a quarter of what is seen, in its middle: where a new box made by a key begins. */
export function middleOf(view: View, image: Size, stage: Size): Box {
  const one = toImage(view, { x: stage.width * 0.375, y: stage.height * 0.375 });
  const other = toImage(view, { x: stage.width * 0.625, y: stage.height * 0.625 });
  return boxBetween(one, other, image);
}
