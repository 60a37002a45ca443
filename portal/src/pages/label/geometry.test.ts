import { describe, expect, it } from "vitest";
import * as geometry from "./geometry";

const IMAGE = { width: 640, height: 480 };
const STAGE = { width: 1000, height: 700 };
const BOX = { x: 100, y: 50, width: 200, height: 80 };

describe("drawing", () => {
  it("takes two corners in any order, at whole pixels", () => {
    const expected = { x: 10, y: 20, width: 90, height: 60 };
    expect(geometry.boxBetween({ x: 10.4, y: 19.6 }, { x: 99.8, y: 80.2 }, IMAGE)).toEqual(expected);
    expect(geometry.boxBetween({ x: 99.8, y: 19.6 }, { x: 10.4, y: 80.2 }, IMAGE)).toEqual(expected);
  });

  it.each([
    [{ x: -50, y: -50 }, { x: 30, y: 30 }],
    [{ x: 600, y: 400 }, { x: 9000, y: 9000 }],
    [{ x: 640, y: 480 }, { x: 640, y: 480 }],
    [{ x: -5, y: 500 }, { x: -9, y: 510 }],
  ])("never leaves the image: %o to %o", (one, other) => {
    const box = geometry.boxBetween(one, other, IMAGE);
    expect(within(box)).toBe(true);
    expect(box.width).toBeGreaterThanOrEqual(1);
    expect(box.height).toBeGreaterThanOrEqual(1);
  });
});

function within(box: geometry.Box): boolean {
  return box.x >= 0 && box.y >= 0 && box.x + box.width <= IMAGE.width && box.y + box.height <= IMAGE.height;
}

describe("moving and resizing", () => {
  it("keeps the size at the edges", () => {
    expect(geometry.moved(BOX, -500, 1000, IMAGE)).toEqual({ x: 0, y: 400, width: 200, height: 80 });
  });

  it.each(geometry.HANDLES)("drags the handle %s and leaves the opposite edge exactly", (handle) => {
    const uneven = { x: 100.25, y: 50.75, width: 200.5, height: 80.125 };
    const box = geometry.resized(uneven, handle, { x: 180.4, y: 90.6 }, IMAGE);
    const edges = (of: geometry.Box) => ({ w: of.x, n: of.y, e: of.x + of.width, s: of.y + of.height });
    for (const [edge, value] of Object.entries(edges(uneven))) {
      const dragged = handle.includes(edge);
      const expected = dragged ? (edge === "w" || edge === "e" ? 180 : 91) : value;
      expect(edges(box)[edge as "n"]).toBeCloseTo(expected, 9);
    }
  });

  it("turns over beyond the opposite edge and stays within the image", () => {
    expect(geometry.resized(BOX, "e", { x: 40, y: 0 }, IMAGE)).toEqual({ ...BOX, x: 40, width: 60 });
    expect(geometry.resized(BOX, "se", { x: 9999, y: 9999 }, IMAGE)).toEqual({ x: 100, y: 50, width: 540, height: 430 });
    expect(geometry.resized(BOX, "w", { x: 300, y: 0 }, IMAGE).width).toBe(1);
  });

  it("grows by keys to one pixel at least and to the edge at most", () => {
    expect(geometry.grown(BOX, 1, 0, IMAGE)).toEqual({ ...BOX, width: 201 });
    expect(geometry.grown(BOX, 0, -1000, IMAGE)).toEqual({ ...BOX, height: 1 });
    expect(geometry.grown(BOX, 1000, 1000, IMAGE)).toEqual({ ...BOX, width: 540, height: 430 });
    const [right, bottom] = [BOX.x + BOX.width, BOX.y + BOX.height];
    expect(geometry.grownBefore(BOX, -1, 0, IMAGE)).toEqual({ ...BOX, x: BOX.x - 1, width: BOX.width + 1 });
    expect(geometry.grownBefore(BOX, -1000, -1000, IMAGE)).toEqual({ x: 0, y: 0, width: right, height: bottom });
    expect(geometry.grownBefore(BOX, 1000, 1000, IMAGE)).toEqual({ x: right - 1, y: bottom - 1, width: 1, height: 1 });
  });

  it("copies beside the box, also in the corner", () => {
    expect(geometry.besides(BOX, IMAGE)).toEqual({ ...BOX, x: 116, y: 66 });
    const corner = { x: 440, y: 400, width: 200, height: 80 };
    expect(geometry.besides(corner, IMAGE)).toEqual({ ...corner, x: 424, y: 384 });
  });
});

describe("finding", () => {
  const outer = { key: "outer", box: { x: 0, y: 0, width: 100, height: 100 } };
  const inner = { key: "inner", box: { x: 40, y: 40, width: 20, height: 20 } };

  it("finds the smallest box around a point", () => {
    expect(geometry.smallestAt([inner, outer], { x: 50, y: 50 })?.key).toBe("inner");
    expect(geometry.smallestAt([outer, inner], { x: 50, y: 50 })?.key).toBe("inner");
    expect(geometry.smallestAt([inner, outer], { x: 10, y: 10 })?.key).toBe("outer");
    expect(geometry.smallestAt([inner, outer], { x: 200, y: 10 })).toBeUndefined();
  });

  it("finds a box by its edge", () => {
    expect(geometry.edgeAt([inner, outer], { x: 1, y: 50 }, 3)?.key).toBe("outer");
    expect(geometry.edgeAt([inner, outer], { x: 50, y: 41 }, 3)?.key).toBe("inner");
    expect(geometry.edgeAt([inner, outer], { x: 20, y: 20 }, 3)).toBeUndefined();
  });

  it("finds handles within reach, corners first", () => {
    expect(geometry.handleAt(BOX, { x: 302, y: 131 }, 4)).toBe("se");
    expect(geometry.handleAt(BOX, { x: 200, y: 50 }, 4)).toBe("n");
    expect(geometry.handleAt(BOX, { x: 150, y: 90 }, 4)).toBeUndefined();
    expect(geometry.handleAt({ x: 0, y: 0, width: 2, height: 2 }, { x: 1, y: 1 }, 4)).toBe("se");
  });
});

describe("storing", () => {
  it("returns to the same pixels after single precision", () => {
    for (let x = 0; x < IMAGE.width - 1; x += 7) {
      const box = { x, y: x % 400, width: IMAGE.width - x, height: 3 };
      const region = geometry.toRegion(box, IMAGE);
      expect(region.left + region.width).toBeLessThanOrEqual(1);
      const stored = { left: Math.fround(region.left), top: Math.fround(region.top), width: Math.fround(region.width), height: Math.fround(region.height) };
      const back = geometry.fromRegion(stored, IMAGE);
      for (const side of ["x", "y", "width", "height"] as const) expect(Math.abs(back[side] - box[side])).toBeLessThan(0.001);
    }
  });
});

describe("the view", () => {
  it("fits the image into the stage", () => {
    const view = geometry.fitted(IMAGE, STAGE);
    expect(view.scale).toBeCloseTo((700 - 24) / 480);
    const middle = geometry.toImage(view, { x: 500, y: 350 });
    expect(middle.x).toBeCloseTo(320, 9);
    expect(middle.y).toBeCloseTo(240, 9);
    expect(geometry.fitted({ width: 10, height: 10 }, STAGE).scale).toBe(4);
  });

  it("keeps the point under the pointer when zooming", () => {
    const at = { x: 310, y: 77 };
    let view = geometry.fitted(IMAGE, STAGE);
    const before = geometry.toImage(view, at);
    for (const factor of [1.7, 1.7, 0.3, 100]) view = geometry.zoomed(view, factor, at, 0.1);
    const after = geometry.toImage(view, at);
    expect(after.x).toBeCloseTo(before.x, 6);
    expect(after.y).toBeCloseTo(before.y, 6);
    expect(view.scale).toBe(32);
  });

  it("keeps a part of the image on the stage", () => {
    const view = geometry.panned(geometry.fitted(IMAGE, STAGE), -1e6, 1e6, IMAGE, STAGE);
    expect(view.x + IMAGE.width * view.scale).toBeCloseTo(40);
    expect(view.y).toBe(660);
  });

  it("moves to a box that is not seen", () => {
    const view = { scale: 4, x: 0, y: 0 };
    const shown = geometry.showing(view, { x: 500, y: 10, width: 40, height: 20 }, STAGE);
    expect(shown.y).toBe(0);
    expect(540 * 4 + shown.x).toBe(STAGE.width - 12);
    expect(geometry.showing(view, { x: 10, y: 10, width: 40, height: 20 }, STAGE)).toEqual(view);
  });

  it("begins a new box in the middle of what is seen", () => {
    const box = geometry.middleOf({ scale: 2, x: 0, y: 0 }, IMAGE, STAGE);
    expect(box).toEqual({ x: 188, y: 131, width: 125, height: 88 });
  });
});
