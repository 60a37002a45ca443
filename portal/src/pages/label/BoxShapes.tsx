/** The boxes of an image: outlines in an SVG, names in HTML above it, both placed by the view of their container. */
import { memo, type CSSProperties } from "react";
import { tagMark, tagStroke } from "../../components/tagColors";
import { percent } from "../../lib/format";
import { handlePoints, type Box, type View } from "./geometry";
import classes from "./label.module.css";

export interface ShownBox {
  key: string;
  tagId: string | null;
  /** Name of the tag; null without one. */
  name: string | null;
  box: Box;
}

export const strokeOf = (tagId: string | null) => (tagId === null ? "var(--mantine-color-gray-4)" : tagStroke(tagId));

/** Outline in the color of the tag upon a dark one, so that it shows on light and dark images. */
export const Outline = memo(function Outline({ box, tagId, kind }: { box: Box; tagId: string | null; kind: "box" | "selected" | "ghost" | "current" | "proposal" }) {
  return (
    <g className={classes[`outline-${kind}`]} style={{ "--stroke": strokeOf(tagId) } as CSSProperties}>
      <rect className={classes.shadow} {...box} />
      <rect className={classes.line} {...box} />
    </g>
  );
});

/** Placed in pixels of the image times the zoom of the container, without a new drawing when that changes. */
const place = (x: number, y: number): CSSProperties => ({ left: `calc(var(--zoom) * ${x}px)`, top: `calc(var(--zoom) * ${y}px)` });

interface NameProps {
  id: string;
  tagId: string | null;
  name: string | null;
  box: Box;
  isInside: boolean;
  isShort: boolean;
  isSelected: boolean;
}

export const BoxName = memo(function BoxName({ id, tagId, name, box, isInside, isShort, isSelected }: NameProps) {
  return (
    <span
      className={classes.name}
      data-label-of={id}
      data-inside={isInside || undefined}
      data-selected={isSelected || undefined}
      title={name ?? "No tag"}
      style={{ ...place(box.x, box.y), "--stroke": strokeOf(tagId) } as CSSProperties}
    >
      <span className={classes.mark}>{name === null ? "?" : tagMark(name)}</span>
      {!isShort && <bdi className={classes.text}>{name ?? "No tag"}</bdi>}
    </span>
  );
});

export function GhostName({ name, tagId, probability, box, isCurrent, onAccept }: { name: string | null; tagId: string | null; probability: number; box: Box; isCurrent: boolean; onAccept: () => void }) {
  return (
    <button
      type="button"
      tabIndex={-1}
      className={classes.ghostName}
      data-current={isCurrent || undefined}
      style={{ ...place(box.x, box.y + box.height), "--stroke": strokeOf(tagId) } as CSSProperties}
      // The stage would begin a box here.
      onPointerDown={(event) => event.stopPropagation()}
      onClick={onAccept}
      title="Accept"
    >
      <bdi className={classes.text}>{name ?? "Region"}</bdi> {name !== null && percent(probability, 0)}
    </button>
  );
}

const HANDLE = 9;

/** The eight handles of the selected box, in CSS pixels of the stage. */
export function Handles({ box, view }: { box: Box; view: View }) {
  return (
    <g className={classes.handles}>
      {Object.entries(handlePoints(box)).map(([handle, point]) => (
        <rect key={handle} x={point.x * view.scale + view.x - HANDLE / 2} y={point.y * view.scale + view.y - HANDLE / 2} width={HANDLE} height={HANDLE} />
      ))}
    </g>
  );
}
