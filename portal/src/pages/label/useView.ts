import { useElementSize } from "@mantine/hooks";
import { useCallback, useEffect, useMemo, useState } from "react";
import { fitted, panned, showing, zoomed, type Box, type Point, type Size, type View } from "./geometry";

const STEP = 1.25;
/** Zoom of the wheel by its distance, in CSS pixels. */
const WHEEL = 0.0015;

/** Zoom and position of an image on the stage; the whole image is shown until one of them is changed. */
export function useView(imageId: string, image: Size) {
  const { ref: measured, width, height } = useElementSize<HTMLDivElement>();
  const stage = useMemo(() => ({ width, height }), [width, height]);
  const [chosen, setChosen] = useState<{ imageId: string; view: View } | null>(null);
  const whole = useMemo(() => fitted(image, stage), [image, stage]);
  const view = chosen?.imageId === imageId ? chosen.view : whole;
  const change = useCallback(
    (next: (view: View) => View) =>
      setChosen((before) => ({ imageId, view: next(before?.imageId === imageId ? before.view : whole) })),
    [imageId, whole],
  );

  const zoomAt = useCallback(
    (factor: number, at: Point) => change((before) => zoomed(before, factor, at, Math.min(whole.scale, 1) / 2)),
    [change, whole.scale],
  );
  const middle = useMemo(() => ({ x: width / 2, y: height / 2 }), [width, height]);
  return {
    measured,
    stage,
    view,
    zoomAt,
    zoomIn: () => zoomAt(STEP, middle),
    zoomOut: () => zoomAt(1 / STEP, middle),
    fit: () => setChosen(null),
    /** One pixel of the image is one CSS pixel. */
    actual: () => zoomAt(1 / view.scale, middle),
    pan: (dx: number, dy: number) => change((before) => panned(before, dx, dy, image, stage)),
    reveal: (box: Box) => change((before) => showing(before, box, stage)),
  };
}

export type Viewing = ReturnType<typeof useView>;

/** Zoom by the wheel at the pointer. React's own handlers are passive and cannot keep the page from scrolling. */
export function useWheel(element: HTMLElement | null, zoomAt: (factor: number, at: Point) => void): void {
  useEffect(() => {
    if (!element) return;
    const onWheel = (event: WheelEvent) => {
      event.preventDefault();
      const edge = element.getBoundingClientRect();
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 30 : 1;
      zoomAt(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 5 : 1) * WHEEL), { x: event.clientX - edge.left, y: event.clientY - edge.top });
    };
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => element.removeEventListener("wheel", onWheel);
  }, [element, zoomAt]);
}
