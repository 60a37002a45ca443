import { describe, expect, it } from "vitest";
import { GAP, layoutOf, neighbor, pagesOf } from "./layout";

describe("the layout of the grid", () => {
  it.each([["S", 1660], ["M", 1000], ["L", 700]] as const)("fills the width with size %s", (size, width) => {
    const { columns, side, rows } = layoutOf(width, size, 100_000);
    const used = columns * side + (columns - 1) * GAP;
    expect(used).toBeLessThanOrEqual(width);
    expect(width - used).toBeLessThan(columns);
    expect(rows * columns).toBeGreaterThanOrEqual(100_000);
  });

  it("has one column where the window is narrow", () => {
    expect(layoutOf(80, "L", 3)).toEqual({ columns: 1, rows: 3, side: 80 });
  });
});

describe("moving by keys", () => {
  const go = (from: number, direction: Parameters<typeof neighbor>[1]) => neighbor(from, direction, 4, 10, 2);

  it("stays within the images", () => {
    expect([go(0, "left"), go(9, "right"), go(2, "up")]).toEqual([0, 9, 2]);
    expect([go(3, "right"), go(4, "left"), go(1, "down")]).toEqual([4, 3, 5]);
  });

  it("reaches the short last row", () => {
    expect(go(7, "down")).toBe(9);
    expect(go(9, "down")).toBe(9);
  });

  it("goes by pages and to the ends", () => {
    expect([go(1, "pageDown"), go(9, "pageDown"), go(9, "pageUp"), go(5, "pageUp")]).toEqual([9, 9, 1, 1]);
    expect([go(5, "first"), go(5, "last")]).toEqual([0, 9]);
  });
});

it("names only the pages that hold what is visible", () => {
  expect(pagesOf(0, 10, 128)).toEqual([0]);
  expect(pagesOf(99_950, 99_999, 128)).toEqual([780, 781]);
  expect(pagesOf(5, 4, 128)).toEqual([]);
});
