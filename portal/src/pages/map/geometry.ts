/** Geometry of the map: what is shown, what is under the pointer, what is inside of a line. */

export interface Place {
  x: number;
  y: number;
}

/** From the unit square of the map to pixels: place * scale + offset. */
export interface View {
  scale: number;
  left: number;
  top: number;
}

export interface Size {
  width: number;
  height: number;
}

const MARGIN = 24;
const MOST_ZOOM = 60;

/** The whole map, centered. */
export function fitted({ width, height }: Size): View {
  const scale = Math.max(1, Math.min(width, height) - 2 * MARGIN);
  return { scale, left: (width - scale) / 2, top: (height - scale) / 2 };
}

export function toPixels({ scale, left, top }: View, { x, y }: Place): Place {
  return { x: x * scale + left, y: y * scale + top };
}

export function toMap({ scale, left, top }: View, { x, y }: Place): Place {
  return { x: (x - left) / scale, y: (y - top) / scale };
}

/** Zoomed by a factor, with the map under `at` (pixels) unmoved. Never smaller than fitted, nor 60 times larger. */
export function zoomed(view: View, factor: number, at: Place, size: Size): View {
  const whole = fitted(size).scale;
  const scale = Math.min(whole * MOST_ZOOM, Math.max(whole, view.scale * factor));
  if (scale === whole) return fitted(size);
  const under = toMap(view, at);
  return { scale, left: at.x - under.x * scale, top: at.y - under.y * scale };
}

/** Moved by pixels, with a part of the map always in sight. */
export function moved(view: View, right: number, down: number, { width, height }: Size): View {
  const within = (value: number, size: number) => Math.min(size / 2, Math.max(size / 2 - view.scale, value));
  return { ...view, left: within(view.left + right, width), top: within(view.top + down, height) };
}

/** Whether a place is inside of a closed line, by the parity of the crossings to its right. */
export function isInside({ x, y }: Place, line: readonly Place[]): boolean {
  let inside = false;
  let before = line.at(-1);
  for (const each of line) {
    if (before && each.y > y !== before.y > y && x < ((before.x - each.x) * (y - each.y)) / (before.y - each.y) + each.x) inside = !inside;
    before = each;
  }
  return inside;
}

/** The nearest place to a point in pixels, at most `reach` pixels away. */
export function nearest<Item extends Place>(items: readonly Item[], view: View, at: Place, reach: number): Item | null {
  let found: Item | null = null;
  let least = reach * reach;
  for (const item of items) {
    const right = item.x * view.scale + view.left - at.x;
    const down = item.y * view.scale + view.top - at.y;
    const distance = right * right + down * down;
    if (distance <= least) {
      least = distance;
      found = item;
    }
  }
  return found;
}

/** Whether a place is in sight. */
export function isVisible(view: View, { width, height }: Size, place: Place): boolean {
  const { x, y } = toPixels(view, place);
  return x >= 0 && y >= 0 && x <= width && y <= height;
}
