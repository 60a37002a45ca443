/** What a press of the pointer on the stage begins, and what its movement makes of it; without drawing. */
import { boxBetween, handleAt, moved, resized, contains, smallestAt, type Box, type Handle, type Point, type Size } from "./geometry";

export interface Target {
  key: string;
  box: Box;
}

export type Gesture =
  | { kind: "pan" }
  | { kind: "draw"; from: Point }
  | { kind: "move"; key: string; box: Box; from: Point }
  | { kind: "resize"; key: string; box: Box; handle: Handle; grip: Point };

/** Distance in CSS pixels within which a press is on a handle. */
const HANDLE_REACH = 9;
/** A press that moves less, in CSS pixels, is a click. */
export const CLICK_REACH = 3;

/** What a press at a point of the image begins. `scale`: CSS pixels for a pixel of the image. */
export function gestureAt(point: Point, selected: Target | undefined, scale: number): Gesture {
  if (selected) {
    const handle = handleAt(selected.box, point, HANDLE_REACH / scale);
    if (handle) {
      const edgeX = handle.includes("w") ? selected.box.x : selected.box.x + selected.box.width;
      const edgeY = handle.includes("n") ? selected.box.y : selected.box.y + selected.box.height;
      return { kind: "resize", ...selected, handle, grip: { x: edgeX - point.x, y: edgeY - point.y } };
    }
    if (contains(selected.box, point)) return { kind: "move", ...selected, from: point };
  }
  return { kind: "draw", from: point };
}

/** The box of a gesture with the pointer at a point; null for panning. */
export function boxOf(gesture: Gesture, to: Point, image: Size): Box | null {
  switch (gesture.kind) {
    case "pan":
      return null;
    case "draw":
      return boxBetween(gesture.from, to, image);
    case "move":
      return moved(gesture.box, Math.round(to.x - gesture.from.x), Math.round(to.y - gesture.from.y), image);
    case "resize":
      return resized(gesture.box, gesture.handle, { x: to.x + gesture.grip.x, y: to.y + gesture.grip.y }, image);
  }
}

type Hit = { kind: "box"; key: string } | { kind: "ghost"; id: string } | null;

/** What a click chooses: the smallest box or ghost around the point. */
export function clicked(point: Point, boxes: readonly Target[], ghosts: readonly { id: string; box: Box }[]): Hit {
  const box = smallestAt(boxes, point);
  const ghost = smallestAt(ghosts, point);
  if (ghost && (!box || ghost.box.width * ghost.box.height < box.box.width * box.box.height)) return { kind: "ghost", id: ghost.id };
  return box ? { kind: "box", key: box.key } : null;
}

const CURSORS: Record<Handle, string> = {
  nw: "nwse-resize",
  se: "nwse-resize",
  ne: "nesw-resize",
  sw: "nesw-resize",
  n: "ns-resize",
  s: "ns-resize",
  e: "ew-resize",
  w: "ew-resize",
};

export function cursorAt(point: Point, selected: Target | undefined, scale: number): string {
  const gesture = gestureAt(point, selected, scale);
  if (gesture.kind === "resize") return CURSORS[gesture.handle];
  return gesture.kind === "move" ? "move" : "crosshair";
}
