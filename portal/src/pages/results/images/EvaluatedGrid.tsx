import { useElementSize } from "@mantine/hooks";
import { useVirtualizer } from "@tanstack/react-virtual";
import { IconX } from "@tabler/icons-react";
import { useLayoutEffect, useMemo, useRef, useState } from "react";
import { localUri } from "../../../api/client";
import type { Image } from "../../../api/queries/images";
import { isChanged } from "../corrections/matches";
import type { Judged, Judgment } from "./judge";
import { Overlay } from "../overlay/Overlay";
import styles from "./images.module.css";
import { useCurrent } from "./useCurrent";
import { shownBoxes, type Layer } from "./view";

const TILE_WIDTH = 168;
const ROW_HEIGHT = 190;
const GAP = 12;

interface Props {
  projectId: string;
  judgments: readonly Judgment[];
  layer: Layer;
  isWrong: (judgment: Judgment) => boolean;
  onOpen: (index: number) => void;
}

/** Rows of images; only those in sight are in the document. */
export function EvaluatedGrid({ projectId, judgments, layer, isWrong, onOpen }: Props) {
  const { ref: sized, width } = useElementSize();
  const list = useRef<HTMLUListElement>(null);
  const [place, setPlace] = useState<{ scroller: Element; top: number } | null>(null);
  const columns = Math.max(1, Math.floor((width + GAP) / (TILE_WIDTH + GAP)));

  useLayoutEffect(() => {
    const element = list.current;
    const scroller = element && scrollerOf(element);
    if (!scroller) return;
    const top = element.getBoundingClientRect().top - scroller.getBoundingClientRect().top + scroller.scrollTop;
    setPlace((before) => (before?.scroller === scroller && Math.abs(before.top - top) < 1 ? before : { scroller, top }));
  }, [width, judgments.length]);

  // eslint-disable-next-line react-hooks/incompatible-library -- its functions are called while rendering only
  const rows = useVirtualizer({
    count: Math.ceil(judgments.length / columns),
    getScrollElement: () => place?.scroller ?? null,
    estimateSize: () => ROW_HEIGHT + GAP,
    scrollMargin: place?.top ?? 0,
    overscan: 3,
  });
  const inSight = rows.getVirtualItems();
  const current = useCurrent(
    projectId,
    useMemo(() => judgments.map((each) => each.image.id), [judgments]),
    (inSight[0]?.index ?? 0) * columns,
    ((inSight.at(-1)?.index ?? 0) + 1) * columns - 1,
  );
  return (
    <div ref={sized}>
      <ul ref={list} className={styles.list} style={{ height: rows.getTotalSize() }}>
        {inSight.flatMap((row) =>
          judgments.slice(row.index * columns, (row.index + 1) * columns).map((each, column) => (
            <li
              key={each.image.id}
              className={styles.tile}
              style={{
                transform: `translate(${column * (TILE_WIDTH + GAP)}px, ${row.start - rows.options.scrollMargin}px)`,
                width: TILE_WIDTH,
                height: ROW_HEIGHT,
              }}
            >
              <Tile
                judgment={each}
                current={current(each.image.id)}
                layer={layer}
                wrong={isWrong(each)}
                onOpen={() => onOpen(row.index * columns + column)}
              />
            </li>
          )),
        )}
      </ul>
    </div>
  );
}

function scrollerOf(element: Element): Element | null {
  for (let each = element.parentElement; each; each = each.parentElement)
    if (/auto|scroll/.test(getComputedStyle(each).overflowY)) return each;
  return null;
}

interface TileProps {
  judgment: Judgment;
  /** The image as it is now: null when it was deleted, undefined while that is unknown. */
  current: Image | null | undefined;
  layer: Layer;
  wrong: boolean;
  onOpen: () => void;
}

function Tile({ judgment, current, layer, wrong, onOpen }: TileProps) {
  const { image, labels, predictions } = judgment;
  const changed = current && isChanged(image, current);
  return (
    <button type="button" className={styles.open} data-wrong={wrong || undefined} onClick={onOpen}>
      <span className={styles.frame}>
        <span className={styles.fitted} style={{ aspectRatio: `${image.width} / ${image.height}` }} data-tall={image.height > image.width || undefined}>
          <img src={localUri(image.thumbnailUri)} alt="" loading="lazy" />
          <Overlay boxes={shownBoxes(judgment, layer)} />
        </span>
        {wrong && (
          <span className={styles.mark}>
            <IconX size={14} stroke={3} role="img" aria-label="Wrong" />
          </span>
        )}
        {(changed || current === null) && <span className={styles.changed}>{changed ? "changed since the training" : "deleted since"}</span>}
      </span>
      <Line heading={changed ? "Label was" : "Label"} items={labels} />
      <Line heading="Predicted" items={predictions} />
    </button>
  );
}

function Line({ heading, items }: { heading: string; items: readonly Judged[] }) {
  const names = [...new Set(items.map((each) => each.tagName))];
  return (
    <span className={styles.line}>
      <span className={styles.lineHeading}>{heading}</span> {names.length > 0 ? names.join(", ") : "none"}
    </span>
  );
}
