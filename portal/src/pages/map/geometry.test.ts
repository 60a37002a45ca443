import { describe, expect, it } from "vitest";
import { fitted, isInside, isVisible, moved, nearest, toMap, toPixels, zoomed } from "./geometry";

const SIZE = { width: 848, height: 648 };

describe("the view", () => {
  it("shows the whole map at first", () => {
    const view = fitted(SIZE);
    expect(toPixels(view, { x: 0, y: 0 })).toEqual({ x: 124, y: 24 });
    expect(toPixels(view, { x: 1, y: 1 })).toEqual({ x: 724, y: 624 });
    expect(toMap(view, toPixels(view, { x: 0.25, y: 0.75 }))).toEqual({ x: 0.25, y: 0.75 });
  });

  it("zooms about the pointer", () => {
    const at = { x: 300, y: 200 };
    const before = fitted(SIZE);
    const after = zoomed(before, 2, at, SIZE);
    expect(after.scale).toBe(1200);
    expect(toMap(after, at).x).toBeCloseTo(toMap(before, at).x);
    expect(toMap(after, at).y).toBeCloseTo(toMap(before, at).y);
    expect(zoomed(after, 0.1, at, SIZE)).toEqual(before);
    expect(zoomed(before, 1000, at, SIZE).scale).toBe(36_000);
  });

  it("keeps a part of the map in sight", () => {
    const view = moved(fitted(SIZE), 10_000, -10_000, SIZE);
    expect(isVisible(view, SIZE, { x: 0, y: 1 })).toBe(true);
    expect(moved(fitted(SIZE), 5, -5, SIZE)).toEqual({ scale: 600, left: 129, top: 19 });
  });
});

describe("a lasso", () => {
  const line = [
    { x: 0, y: 0 },
    { x: 1, y: 0 },
    { x: 0.5, y: 0.5 },
    { x: 1, y: 1 },
    { x: 0, y: 1 },
  ];
  it.each([
    [0.25, 0.5, true],
    [0.7, 0.5, false],
    [0.8, 0.1, true],
    [0.8, 0.9, true],
    [-0.1, 0.5, false],
    [1.1, 0.5, false],
  ])("holds %s, %s: %s", (x, y, expected) => {
    expect(isInside({ x, y }, line)).toBe(expected);
  });
  it("of fewer than three points holds nothing", () => {
    expect(isInside({ x: 0, y: 0 }, [])).toBe(false);
    expect(isInside({ x: 0, y: 0 }, line.slice(0, 2))).toBe(false);
  });
});

it("finds the nearest image within reach", () => {
  const items = [
    { id: "a", x: 0, y: 0 },
    { id: "b", x: 0.01, y: 0 },
  ];
  const view = { scale: 1000, left: 0, top: 0 };
  expect(nearest(items, view, { x: 8, y: 0 }, 12)?.id).toBe("b");
  expect(nearest(items, view, { x: 4, y: 0 }, 12)?.id).toBe("a");
  expect(nearest(items, view, { x: 40, y: 0 }, 12)).toBeNull();
});
