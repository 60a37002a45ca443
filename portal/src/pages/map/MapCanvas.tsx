import { useComputedColorScheme } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { useEffect, useRef, useState, type PointerEvent } from "react";
import type { MappedImage } from "../../api/queries/insight";
import { useKeys } from "../../keyboard/useKeys";
import { draw } from "./draw";
import { fitted, isInside, isVisible, moved, nearest, toMap, zoomed, type Place, type View } from "./geometry";
import styles from "./map.module.css";
import type { Mark } from "./marks";
import { Preview } from "./Preview";

export type Tool = "lasso" | "move";

interface Props {
  projectId: string;
  images: readonly MappedImage[];
  marks: ReadonlyMap<string, Mark>;
  selected: ReadonlySet<string>;
  tool: Tool;
  /** Choose images; `adds`: in addition to the chosen ones. */
  onSelect: (ids: string[], adds: boolean) => void;
  label: string;
}

const REACH = 12;
const STEP = 60;
const ZOOM = 1.4;
/** A press that moves less is a click. */
const CLICK = 4;

/** The map as a picture that is moved and zoomed; a lasso, a click or keys choose images. */
export function MapCanvas({ projectId, images, marks, selected, tool, onSelect, label }: Props) {
  const { ref: sized, width, height } = useElementSize();
  const canvas = useRef<HTMLCanvasElement>(null);
  const size = { width, height };
  const [changed, setChanged] = useState<View | null>(null);
  const [lasso, setLasso] = useState<readonly Place[]>([]);
  const [pointed, setPointed] = useState<MappedImage | null>(null);
  const press = useRef<{ at: Place; last: Place; line: Place[] } | null>(null);
  const scheme = useComputedColorScheme("light");
  const view = changed ?? fitted(size);

  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context || width === 0) return;
    const frame = requestAnimationFrame(() =>
      draw(context, { width, height }, { images, marks, selected, pointed: pointed?.id ?? null, view, lasso }),
    );
    return () => cancelAnimationFrame(frame);
  }, [images, marks, selected, pointed, view, lasso, width, height, scheme]);

  // React's own listener is passive and could not keep the page from scrolling.
  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const onWheel = (event: WheelEvent) => {
      event.preventDefault();
      const box = { width: element.clientWidth, height: element.clientHeight };
      const at = { x: event.offsetX, y: event.offsetY };
      setChanged((before) => zoomed(before ?? fitted(box), Math.exp(-event.deltaY / 400), at, box));
    };
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => element.removeEventListener("wheel", onWheel);
  }, []);

  const zoom = (factor: number) => setChanged(zoomed(view, factor, { x: width / 2, y: height / 2 }, size));
  const move = (right: number, down: number) => setChanged(moved(view, right, down, size));
  useKeys({
    mapZoomIn: () => zoom(ZOOM),
    mapZoomOut: () => zoom(1 / ZOOM),
    mapFit: () => setChanged(null),
    mapLeft: () => move(STEP, 0),
    mapRight: () => move(-STEP, 0),
    mapUp: () => move(0, STEP),
    mapDown: () => move(0, -STEP),
    mapSelectView: () => onSelect(images.filter((image) => isVisible(view, size, image)).map((image) => image.id), false),
    mapSelectNone: () => onSelect([], false),
  });

  const at = (event: PointerEvent): Place => ({ x: event.nativeEvent.offsetX, y: event.nativeEvent.offsetY });

  function onDown(event: PointerEvent<HTMLCanvasElement>): void {
    event.currentTarget.setPointerCapture(event.pointerId);
    const place = at(event);
    press.current = { at: place, last: place, line: [place] };
    setPointed(null);
  }

  function onMove(event: PointerEvent<HTMLCanvasElement>): void {
    const place = at(event);
    const held = press.current;
    if (!held) {
      setPointed(nearest(images, view, place, REACH));
      return;
    }
    if (tool === "move" || event.buttons === 4) move(place.x - held.last.x, place.y - held.last.y);
    else setLasso((held.line = [...held.line, place]));
    held.last = place;
  }

  function onUp(event: PointerEvent<HTMLCanvasElement>): void {
    const held = press.current;
    press.current = null;
    setLasso([]);
    if (!held) return;
    const place = at(event);
    const adds = event.shiftKey || event.ctrlKey || event.metaKey;
    if (Math.hypot(place.x - held.at.x, place.y - held.at.y) < CLICK && held.line.length < 8) {
      const image = nearest(images, view, place, REACH);
      onSelect(image ? [image.id] : [], adds);
    } else if (tool === "lasso" && event.button === 0) {
      const line = held.line.map((each) => toMap(view, each));
      onSelect(images.filter((image) => isInside(image, line)).map((image) => image.id), adds);
    }
  }

  /** The system took the pointer away: a touch became a gesture of its own. */
  function onCancel(): void {
    press.current = null;
    setLasso([]);
  }

  return (
    <div ref={sized} className={styles.canvas}>
      <canvas
        ref={canvas}
        // eslint-disable-next-line jsx-a11y/no-interactive-element-to-noninteractive-role -- a picture; lists and keys choose, too
        role="img"
        aria-label={label}
        data-tool={tool}
        width={width * window.devicePixelRatio}
        height={height * window.devicePixelRatio}
        onPointerDown={onDown}
        onPointerMove={onMove}
        onPointerUp={onUp}
        onPointerCancel={onCancel}
        onPointerLeave={() => setPointed(null)}
      />
      {pointed && <Preview projectId={projectId} image={pointed} view={view} size={size} />}
    </div>
  );
}
