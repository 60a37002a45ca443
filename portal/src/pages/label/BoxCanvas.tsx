import { useMergedRef } from "@mantine/hooks";
import { useCallback, useEffect, useRef, useState, type CSSProperties } from "react";
import type { Box, Point, Size } from "./geometry";
import { BoxName, GhostName, Handles, Outline, type ShownBox } from "./BoxShapes";
import type { Ghost } from "./suggestions";
import { usePointer, type PointerOptions } from "./usePointer";
import { useWheel, type Viewing } from "./useView";
import type { DrawMode } from "./preferences";
import classes from "./label.module.css";

/** From this many boxes on, names are shortened to their marks. */
const MANY = 40;
/** Share of the height of the image within which a name is put inside its box. */
const TOP = 0.04;

interface BoxCanvasProps {
  image: Size & { id: string };
  src: string;
  label: string;
  viewing: Viewing;
  boxes: readonly ShownBox[];
  ghosts: readonly Ghost[];
  currentGhost: string | null;
  nameOf: (tagId: string | null) => string | null;
  describe: (key: string) => string;
  selectedKey: string | null;
  isHidden: boolean;
  drawMode: DrawMode;
  panning: () => boolean;
  onSelect: (key: string | null) => void;
  onAccept: (ghostId: string) => void;
  onDraw: (box: Box) => void;
  onChange: PointerOptions["onChange"];
  /** Receives what cancels a box that is being drawn; it returns whether there was one. */
  cancelRef: { current: () => boolean };
}

/** The image with its boxes: to look at, and to draw on with the pointer. Keys are handled by the session. */
export function BoxCanvas(props: BoxCanvasProps) {
  const { image, viewing, boxes, ghosts, selectedKey, isHidden } = props;
  const { view, stage } = viewing;
  const [element, setElement] = useState<HTMLDivElement | null>(null);
  const ref = useMergedRef(viewing.measured, setElement);
  const guides = useRef<HTMLDivElement>(null);
  useWheel(element, viewing.zoomAt);

  const onPoint = useCallback((point: Point | null) => {
    const style = guides.current?.style;
    style?.setProperty("--x", `${point?.x ?? -10}px`);
    style?.setProperty("--y", `${point?.y ?? -10}px`);
  }, []);
  const pointer = usePointer({
    image,
    view,
    boxes: isHidden ? [] : boxes,
    ghosts: isHidden ? [] : ghosts,
    selected: isHidden ? undefined : boxes.find((each) => each.key === selectedKey),
    drawMode: props.drawMode,
    panning: props.panning,
    onPan: viewing.pan,
    onPoint,
    onSelect: props.onSelect,
    onAccept: props.onAccept,
    onDraw: props.onDraw,
    onChange: props.onChange,
  });
  const { draft } = pointer;
  const { cancelRef } = props;
  useEffect(() => {
    cancelRef.current = () => {
      const was = pointer.corner !== null || draft !== null;
      pointer.cancel();
      return was;
    };
  });

  const drawn = draft?.key == null ? boxes : boxes.map((each) => (each.key === draft.key ? { ...each, box: draft.box } : each));
  const selected = drawn.find((each) => each.key === selectedKey);
  // Of the proposals, which have no tag, only the next one is named.
  const named = ghosts.filter((ghost) => ghost.tagId !== null || ghost.id === props.currentGhost);
  const placed = { "--zoom": view.scale, transform: `translate(${view.x}px, ${view.y}px)` } as CSSProperties;
  return (
    <div
      ref={ref}
      className={classes.stage}
      // A list of boxes, of which one is selected: screen readers pass its keys on and read the selected one.
      role="listbox"
      aria-label={props.label}
      aria-activedescendant={selected ? `box-${selected.key}` : undefined}
      tabIndex={0}
      data-own-keys
      data-canvas
      style={{ cursor: pointer.cursor }}
      {...pointer.handlers}
      // The next two keep the focus and the browser's own menus from a middle click or a drag.
      onDragStart={(event) => event.preventDefault()}
    >
      {stage.width > 0 && (
        <>
          <img
            src={props.src}
            alt=""
            className={classes.image}
            data-pixelated={view.scale > 4 || undefined}
            style={{ width: image.width * view.scale, height: image.height * view.scale, transform: placed.transform }}
          />
          <svg className={classes.overlay} role="presentation">
            <g role="presentation" transform={`translate(${view.x} ${view.y}) scale(${view.scale})`}>
              {!isHidden &&
                ghosts.map((ghost) => (
                  <Outline key={ghost.id} box={ghost.box} tagId={ghost.tagId} kind={ghost.tagId === null ? "proposal" : ghost.id === props.currentGhost ? "current" : "ghost"} />
                ))}
              {!isHidden &&
                drawn.map((each) => (
                  <g key={each.key} id={`box-${each.key}`} role="option" aria-selected={each.key === selectedKey} aria-label={props.describe(each.key)}>
                    <Outline box={each.box} tagId={each.tagId} kind={each.key === selectedKey ? "selected" : "box"} />
                  </g>
                ))}
              {draft?.key === null && <Outline box={draft.box} tagId={null} kind="selected" />}
            </g>
            {selected && !isHidden && <Handles box={selected.box} view={view} />}
          </svg>
          {!isHidden && (
            <div className={classes.names} style={placed} aria-hidden>
              {drawn.map((each) => (
                <BoxName key={each.key} id={each.key} tagId={each.tagId} name={each.name} box={each.box} isInside={each.box.y < image.height * TOP} isShort={drawn.length > MANY && each.key !== selectedKey} isSelected={each.key === selectedKey} />
              ))}
              {named.map((ghost) => (
                <GhostName
                  key={ghost.id}
                  name={props.nameOf(ghost.tagId)}
                  tagId={ghost.tagId}
                  probability={ghost.probability}
                  box={ghost.box}
                  isCurrent={ghost.id === props.currentGhost}
                  onAccept={() => props.onAccept(ghost.id)}
                />
              ))}
            </div>
          )}
          <div ref={guides} className={classes.guides} aria-hidden />
          {draft && <DraftSize box={draft.box} />}
        </>
      )}
    </div>
  );
}

function DraftSize({ box }: { box: Box }) {
  const [x, y, width, height] = [box.x, box.y, box.width, box.height].map(Math.round);
  return (
    <output className={classes.size} aria-hidden>
      {x}, {y} · {width} × {height}
    </output>
  );
}
