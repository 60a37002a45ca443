import { useElementSize } from "@mantine/hooks";
import { defaultRangeExtractor, useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState, type MouseEvent } from "react";
import { ErrorState } from "../../../components/states";
import type { ImageFilter } from "../../../lib/imageFilter";
import { useKeys } from "../../../keyboard/useKeys";
import { announce } from "../../../components/announce";
import { PAGE_SIZE } from "../../../api/queries/images";
import { focusPlace } from "./focusPlace";
import { GAP, layoutOf, neighbor, type Direction, type Size } from "./layout";
import { everything, isSelected, NOTHING, selectedCount, toggled, withImages, type Selection } from "./selection";
import { Tile } from "./Tile";
import { usePages } from "./usePages";
import classes from "./grid.module.css";

interface Props {
  projectId: string;
  filter: ImageFilter;
  count: number;
  size: Size;
  /** Show images whole, with empty edges, rather than fill the tile: so that no box is cut off. */
  whole: boolean;
  names: ReadonlyMap<string, string>;
  selection: Selection;
  onSelect: (selection: Selection) => void;
  /** The image that has the focus, for keys that act without a selection. */
  onFocused: (imageId: string | null) => void;
  onOpen: (imageId: string, index: number) => void;
  keysEnabled: boolean;
}

const ROWS_BEYOND = 1;
const STEPS: ReadonlySet<Direction> = new Set(["left", "right", "up", "down"]);

/** All images of a list, of which only the visible ones are in the document. */
export function ImageGrid(props: Props) {
  const { projectId, filter, count, size, whole, names, selection, onSelect, onFocused, onOpen, keysEnabled } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const { ref: canvas, width } = useElementSize();
  const layout = useMemo(() => layoutOf(width, size, count), [width, size, count]);
  const [focused, setFocused] = useState(0);
  const anchor = useRef({ index: 0, base: selection });
  // The place whose tile gets the focus as soon as it is in the document.
  const moveFocus = useRef<number | null>(null);
  // Whether an image has had the focus. Until then the focus stays at index 0 when images are added or removed.
  const isUsed = useRef(false);
  const shownFocus = useRef(0);
  const current = Math.max(0, Math.min(focused, count - 1));
  const focusedRow = Math.floor(current / layout.columns);

  // eslint-disable-next-line react-hooks/incompatible-library -- nothing here is memoized by a compiler
  const virtualizer = useVirtualizer({
    count: width > 0 ? layout.rows : 0,
    getScrollElement: () => scroller.current,
    estimateSize: () => layout.side + GAP,
    overscan: ROWS_BEYOND,
    paddingEnd: GAP * 2,
    // The focused tile stays in the document when it is scrolled away, so that the focus is not lost.
    rangeExtractor: (range) => {
      const rows = defaultRangeExtractor(range);
      return rows.includes(focusedRow) || focusedRow >= layout.rows ? rows : [...rows, focusedRow].toSorted((a, b) => a - b);
    },
  });
  const { columns, side } = layout;
  const range = virtualizer.range;
  const first = (range?.startIndex ?? 0) * columns;
  const last = Math.min(count, ((range?.endIndex ?? 0) + 1) * columns) - 1;
  const { imageAt, page, load, error, retry } = usePages(projectId, filter, first, last);

  // The first visible image stays visible when the size of the tiles or of the window changes.
  const shownFirst = useRef(0);
  const shownLayout = useRef(layout);
  useLayoutEffect(() => {
    if (shownLayout.current.side !== side || shownLayout.current.columns !== columns) {
      shownLayout.current = layout;
      virtualizer.measure();
      virtualizer.scrollToIndex(Math.floor(shownFirst.current / columns), { align: "start" });
    } else shownFirst.current = first;
  }, [virtualizer, layout, side, columns, first]);

  // Images leave the list and come into it; the focus stays among the same ones.
  const passed = useRef<readonly string[]>([]);
  const focusedPage = page(Math.floor(focused / PAGE_SIZE));
  useLayoutEffect(() => {
    if (!focusedPage) return;
    const number = Math.floor(focused / PAGE_SIZE);
    const before = number > 0 ? page(number - 1) : undefined;
    const start = (before ? number - 1 : number) * PAGE_SIZE;
    const near = [...(before ?? []), ...focusedPage, ...(page(number + 1) ?? [])].map((image) => image.id);
    const place = start + focusPlace(passed.current, near);
    const hasMoved = isUsed.current && passed.current.length > 0 && shownFocus.current === focused && place !== focused;
    shownFocus.current = hasMoved ? place : focused;
    passed.current = near.slice(0, shownFocus.current - start + 1);
    if (!hasMoved) return;
    const active = document.activeElement;
    if (active === document.body || scroller.current?.contains(active)) moveFocus.current = place;
    setFocused(place);
  }, [focusedPage, focused, page]);
  // A tile that leaves the document loses the focus, which then falls to the page.
  useEffect(() => {
    if (isUsed.current && keysEnabled && document.activeElement === document.body)
      scroller.current?.querySelector<HTMLElement>(`[data-index="${current}"]`)?.focus({ preventScroll: true });
  }, [count, selection, keysEnabled, current]);

  // Another list begins at its top.
  const shownFilter = useRef(filter);
  useLayoutEffect(() => {
    if (shownFilter.current === filter) return;
    shownFilter.current = filter;
    isUsed.current = false;
    passed.current = [];
    setFocused(0);
    virtualizer.scrollToOffset(0);
  }, [virtualizer, filter]);

  const focusedImage = imageAt(current);
  useLayoutEffect(() => onFocused(focusedImage?.id ?? null), [onFocused, focusedImage?.id]);
  useLayoutEffect(() => {
    if (moveFocus.current !== current) return;
    moveFocus.current = null;
    scroller.current?.querySelector<HTMLElement>(`[data-index="${current}"]`)?.focus({ preventScroll: true });
  });

  const select = useCallback(
    (next: Selection, index: number) => {
      anchor.current = { index, base: next };
      onSelect(next);
    },
    [onSelect],
  );
  const selectTo = useCallback(
    async (index: number) => {
      const { index: from, base } = anchor.current;
      const images = await load(Math.min(from, index), Math.max(from, index));
      onSelect(withImages(base, images.map((image) => image.id)));
    },
    [load, onSelect],
  );

  function go(direction: Direction, extend = false) {
    // The first arrow shows where the focus is.
    if (!extend && STEPS.has(direction) && !scroller.current?.contains(document.activeElement)) {
      goTo(current);
      return;
    }
    const rowsOfScreen = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 0) / (side + GAP)));
    const next = neighbor(current, direction, columns, count, rowsOfScreen);
    if (extend && selectedCount(selection) === 0) anchor.current = { index: current, base: NOTHING };
    goTo(next);
    if (extend) void selectTo(next);
  }

  function goTo(index: number) {
    isUsed.current = true;
    const tile = scroller.current?.querySelector<HTMLElement>(`[data-index="${index}"]`);
    if (tile) tile.focus({ preventScroll: true });
    else moveFocus.current = index;
    setFocused(index);
    virtualizer.scrollToIndex(Math.floor(index / columns), { align: "auto" });
  }

  useKeys(
    {
      gridLeft: () => go("left"),
      gridRight: () => go("right"),
      gridUp: () => go("up"),
      gridDown: () => go("down"),
      gridPageUp: () => go("pageUp"),
      gridPageDown: () => go("pageDown"),
      gridFirst: () => go("first"),
      gridLast: () => go("last"),
      gridExtendLeft: () => go("left", true),
      gridExtendRight: () => go("right", true),
      gridExtendUp: () => go("up", true),
      gridExtendDown: () => go("down", true),
      gridSelect: () => {
        if (focusedImage) select(toggled(selection, focusedImage.id), current);
      },
      gridSelectAll: () => {
        onSelect(everything(count));
        announce(`${count.toLocaleString()} selected`);
      },
      gridSelectNone: () => onSelect(NOTHING),
      gridOpen: () => {
        if (focusedImage) onOpen(focusedImage.id, current);
      },
    },
    keysEnabled && count > 0,
  );

  function onClick(event: MouseEvent<HTMLDivElement>) {
    const target = event.target as Element;
    const tile = target.closest<HTMLElement>("[data-index]");
    if (!tile) return;
    const index = Number(tile.dataset.index);
    const image = imageAt(index);
    setFocused(index);
    if (event.shiftKey) void selectTo(index);
    else if (!image) return;
    else if (target.closest("[data-check]") || event.ctrlKey || event.metaKey || selectedCount(selection) > 0)
      select(toggled(selection, image.id), index);
    else onOpen(image.id, index);
  }

  return (
    <div ref={scroller} className={classes.scroller} data-testid="image-grid">
      {error !== null && <ErrorState error={error} onRetry={retry} />}
      {/* Keys of the grid are those of the page: useKeys. */}
      {/* eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/interactive-supports-focus */}
      <div
        ref={canvas}
        role="grid"
        aria-label="Images"
        aria-multiselectable
        aria-rowcount={layout.rows}
        aria-colcount={columns}
        data-own-keys
        className={[classes.canvas, whole && classes.whole, selectedCount(selection) > 0 && classes.selecting]
          .filter(Boolean)
          .join(" ")}
        style={{ height: virtualizer.getTotalSize() }}
        onClick={onClick}
        onMouseDown={(event) => {
          if (event.shiftKey) event.preventDefault(); // no text is selected
        }}
        onFocus={(event) => {
          const index = (event.target as HTMLElement).dataset.index;
          if (index === undefined) return;
          isUsed.current = true;
          setFocused(Number(index));
        }}
      >
        {virtualizer.getVirtualItems().map((row) => (
          <div
            key={row.key}
            role="row"
            aria-rowindex={row.index + 1}
            className={classes.row}
            style={{ transform: `translateY(${row.start}px)` }}
          >
            {Array.from({ length: Math.min(columns, count - row.index * columns) }, (_, column) => {
              const index = row.index * columns + column;
              const image = imageAt(index);
              return (
                <Tile
                  key={column}
                  index={index}
                  column={column}
                  side={side}
                  size={size}
                  image={image}
                  selected={image ? isSelected(selection, image.id) : selection.kind === "all"}
                  focusable={index === current}
                  names={names}
                />
              );
            })}
          </div>
        ))}
      </div>
    </div>
  );
}
