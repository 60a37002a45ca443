import { useMergedRef } from "@mantine/hooks";
import { useRef, useState, type PointerEvent } from "react";
import type { Point, Size } from "./geometry";
import { useWheel, type Viewing } from "./useView";
import classes from "./label.module.css";

/** One image to look at: the wheel zooms, a drag pans. */
export function ImageStage({ image, src, label, viewing }: { image: Size; src: string; label: string; viewing: Viewing }) {
  const [element, setElement] = useState<HTMLDivElement | null>(null);
  const ref = useMergedRef(viewing.measured, setElement);
  const last = useRef<Point | null>(null);
  useWheel(element, viewing.zoomAt);
  const { view, stage } = viewing;

  const onPointerMove = (event: PointerEvent) => {
    if (!last.current) return;
    viewing.pan(event.clientX - last.current.x, event.clientY - last.current.y);
    last.current = { x: event.clientX, y: event.clientY };
  };
  const end = () => {
    last.current = null;
  };
  return (
    <div
      ref={ref}
      className={classes.stage}
      role="group"
      aria-label={label}
      // The keys of labeling work here.
      // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
      data-own-keys
      data-canvas
      onPointerDown={(event) => {
        last.current = { x: event.clientX, y: event.clientY };
        event.currentTarget.setPointerCapture(event.pointerId);
      }}
      onPointerMove={onPointerMove}
      onPointerUp={end}
      onPointerCancel={end}
    >
      {stage.width > 0 && (
        <img
          src={src}
          alt=""
          className={classes.image}
          data-pixelated={view.scale > 4 || undefined}
          style={{ width: image.width * view.scale, height: image.height * view.scale, transform: `translate(${view.x}px, ${view.y}px)` }}
        />
      )}
    </div>
  );
}
