import { useRef, useState, type PointerEvent } from "react";
import { edgeAt, toImage, type Box, type Point, type Size, type View } from "./geometry";
import { boxOf, CLICK_REACH, clicked, cursorAt, gestureAt, type Gesture, type Target } from "./gestures";
import type { DrawMode } from "./preferences";

export interface PointerOptions {
  image: Size;
  view: View;
  boxes: readonly Target[];
  ghosts: readonly { id: string; box: Box }[];
  selected: Target | undefined;
  drawMode: DrawMode;
  /** True while Space is held: every drag then moves the view, also one that begins on a box. */
  panning: () => boolean;
  onPan: (dx: number, dy: number) => void;
  onPoint: (stage: Point | null) => void;
  onSelect: (key: string | null) => void;
  onAccept: (ghostId: string) => void;
  onDraw: (box: Box) => void;
  onChange: (key: string, box: Box, kind: "move" | "resize") => void;
}

interface Draft {
  /** null: a new box. */
  key: string | null;
  box: Box;
}

interface Press {
  gesture: Gesture;
  stage: Point;
  last: Point;
  isDrag: boolean;
}

const EDGE_REACH = 5;

/** Drawing, moving, resizing, choosing and panning with the pointer. */
export function usePointer(options: PointerOptions) {
  const press = useRef<Press | null>(null);
  const [corner, setCorner] = useState<Point | null>(null);
  const [draft, setDraft] = useState<Draft | null>(null);
  const [cursor, setCursor] = useState("crosshair");
  const { image, view, selected } = options;

  const stageOf = (event: PointerEvent): Point => {
    const edge = event.currentTarget.getBoundingClientRect();
    return { x: event.clientX - edge.left, y: event.clientY - edge.top };
  };

  function onPointerDown(event: PointerEvent) {
    const labelKey = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-label-of]")?.dataset.labelOf : undefined;
    if (labelKey !== undefined && event.button === 0 && !corner) {
      options.onSelect(labelKey);
      return;
    }
    if (event.button !== 0 && event.button !== 1) return;
    if (event.button === 1) event.preventDefault(); // no automatic scrolling
    const stage = stageOf(event);
    const pans = event.button === 1 || event.altKey || options.panning();
    const point = toImage(view, stage);
    const gesture: Gesture = pans ? { kind: "pan" } : corner ? { kind: "draw", from: corner } : gestureAt(point, selected, view.scale);
    press.current = { gesture, stage, last: stage, isDrag: false };
    event.currentTarget.setPointerCapture(event.pointerId);
    if (pans) setCursor("grabbing");
  }

  function onPointerMove(event: PointerEvent) {
    const stage = stageOf(event);
    const point = toImage(view, stage);
    options.onPoint(stage);
    const current = press.current;
    if (!current) {
      if (corner) setDraft({ key: null, box: boxOf({ kind: "draw", from: corner }, point, image) ?? { ...corner, width: 1, height: 1 } });
      else setCursor(cursorAt(point, selected, view.scale));
      return;
    }
    if (Math.hypot(stage.x - current.stage.x, stage.y - current.stage.y) >= CLICK_REACH) current.isDrag = true;
    if (current.gesture.kind === "pan") {
      options.onPan(stage.x - current.last.x, stage.y - current.last.y);
      current.last = stage;
      return;
    }
    if (!current.isDrag) return;
    const box = boxOf(current.gesture, point, image);
    if (box) setDraft({ key: current.gesture.kind === "draw" ? null : current.gesture.key, box });
  }

  function onPointerUp(event: PointerEvent) {
    const current = press.current;
    press.current = null;
    if (!current) return;
    const point = toImage(view, stageOf(event));
    setCursor(cursorAt(point, selected, view.scale));
    const { gesture } = current;
    if (gesture.kind === "pan") return;
    if (corner) {
      cancel();
      const box = boxOf({ kind: "draw", from: corner }, point, image);
      if (box) options.onDraw(box);
      return;
    }
    setDraft(null);
    if (!current.isDrag) {
      onClick(point);
      return;
    }
    const box = boxOf(gesture, point, image);
    if (!box) return;
    if (gesture.kind === "draw") options.onDraw(box);
    else options.onChange(gesture.key, box, gesture.kind);
  }

  function onClick(point: Point) {
    if (options.drawMode === "clicks") {
      const edge = edgeAt(options.boxes, point, EDGE_REACH / view.scale);
      if (edge) options.onSelect(edge.key);
      else setCorner(point);
      return;
    }
    const hit = clicked(point, options.boxes, options.ghosts);
    if (hit?.kind === "ghost") options.onAccept(hit.id);
    else options.onSelect(hit?.key ?? null);
  }

  function cancel() {
    press.current = null;
    setCorner(null);
    setDraft(null);
  }

  return {
    draft,
    corner,
    cursor,
    cancel,
    handlers: {
      onPointerDown,
      onPointerMove,
      onPointerUp,
      onPointerCancel: cancel,
      onPointerLeave: () => options.onPoint(null),
    },
  };
}
