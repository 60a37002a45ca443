/** Sizes of tiles and the arithmetic of the grid. */

export const SIZES = { S: 112, M: 168, L: 264 } as const;
export type Size = keyof typeof SIZES;
/** Between tiles, in pixels. */
export const GAP = 6;

interface Layout {
  columns: number;
  rows: number;
  /** Side of a tile in pixels. */
  side: number;
}

/** Tiles of at least the chosen size that fill the width. */
export function layoutOf(width: number, size: Size, count: number): Layout {
  const wanted = SIZES[size];
  const columns = Math.max(1, Math.floor((width + GAP) / (wanted + GAP)));
  const side = Math.floor((width - GAP * (columns - 1)) / columns);
  return { columns, rows: Math.ceil(count / columns), side: Math.max(side, 1) };
}

export type Direction = "left" | "right" | "up" | "down" | "pageUp" | "pageDown" | "first" | "last";

/** The index that a key leads to from `from`, within `count` images; `from` itself at an edge. */
export function neighbor(from: number, direction: Direction, columns: number, count: number, rowsOfScreen: number): number {
  if (count === 0) return 0;
  const step = { left: -1, right: 1, up: -columns, down: columns, pageUp: -columns * rowsOfScreen, pageDown: columns * rowsOfScreen };
  if (direction === "first") return 0;
  if (direction === "last") return count - 1;
  const next = from + step[direction];
  if (direction === "pageUp") return Math.max(from % columns, next);
  if (direction === "pageDown") return Math.min(count - 1, next);
  if (next >= 0 && next < count) return next;
  // The last row may be shorter.
  const lastRow = Math.floor((count - 1) / columns);
  return direction === "down" && Math.floor(from / columns) < lastRow ? count - 1 : from;
}

/** The pages that hold the images `first` to `last`. */
export function pagesOf(first: number, last: number, pageSize: number): number[] {
  if (last < first) return [];
  const begin = Math.floor(first / pageSize);
  return Array.from({ length: Math.floor(last / pageSize) - begin + 1 }, (_, index) => begin + index);
}
