import { describe, expect, it } from "vitest";
import { boxOf, clicked, cursorAt, gestureAt } from "./gestures";
import { ghostBoxes, overlap, proposalGhosts, suggestedTags } from "./suggestions";
import { toggledTag } from "./toggledTag";

const IMAGE = { width: 640, height: 480 };
const SELECTED = { key: "a", box: { x: 100, y: 100, width: 100, height: 80 } };

describe("a press", () => {
  it("draws on free ground and within boxes that are not selected", () => {
    expect(gestureAt({ x: 120, y: 120 }, undefined, 1)).toEqual({ kind: "draw", from: { x: 120, y: 120 } });
    expect(gestureAt({ x: 20, y: 20 }, SELECTED, 1).kind).toBe("draw");
  });

  it("moves the selected box by whole pixels", () => {
    const gesture = gestureAt({ x: 150.3, y: 150.3 }, SELECTED, 1);
    expect(boxOf(gesture, { x: 160.6, y: 140.2 }, IMAGE)).toEqual({ ...SELECTED.box, x: 110, y: 90 });
  });

  it("resizes by a handle without a jump of the edge", () => {
    const gesture = gestureAt({ x: 203, y: 177 }, SELECTED, 1);
    expect(gesture.kind).toBe("resize");
    expect(boxOf(gesture, { x: 203, y: 177 }, IMAGE)).toEqual(SELECTED.box);
    expect(boxOf(gesture, { x: 213, y: 187 }, IMAGE)).toEqual({ ...SELECTED.box, width: 110, height: 90 });
  });

  it("has handles of the same size on the screen at every zoom", () => {
    expect(gestureAt({ x: 230, y: 210 }, SELECTED, 0.25).kind).toBe("resize");
    expect(gestureAt({ x: 203, y: 183 }, SELECTED, 8).kind).toBe("draw");
    expect(cursorAt({ x: 100, y: 100 }, SELECTED, 1)).toBe("nwse-resize");
    expect(cursorAt({ x: 150, y: 150 }, SELECTED, 1)).toBe("move");
  });
});

it("chooses the smallest box or suggestion by a click", () => {
  const big = { key: "big", box: { x: 0, y: 0, width: 400, height: 400 } };
  const ghost = { id: "g", box: { x: 50, y: 50, width: 50, height: 50 } };
  expect(clicked({ x: 60, y: 60 }, [big, SELECTED], [ghost])).toEqual({ kind: "ghost", id: "g" });
  expect(clicked({ x: 150, y: 150 }, [big, SELECTED], [])).toEqual({ kind: "box", key: "a" });
  expect(clicked({ x: 600, y: 460 }, [big], [ghost])).toBeNull();
});

describe("suggestions", () => {
  const prediction = (tagId: string, probability: number, left: number) => ({
    tagId,
    tagName: tagId,
    tagType: "Regular" as const,
    probability,
    boundingBox: { left, top: 0.1, width: 0.2, height: 0.2 },
  });
  const known = (tagId: string) => tagId !== "gone";

  it("shows what is probable enough and not there yet, the most probable first", () => {
    const predictions = [prediction("cat", 0.5, 0), prediction("cat", 0.9, 0.5), prediction("cat", 0.2, 0.7), prediction("gone", 0.99, 0.3)];
    expect(ghostBoxes(predictions, IMAGE, [], known, 0.4).map((each) => each.probability)).toEqual([0.9, 0.5]);
    const accepted = [{ key: "b", tagId: "cat", box: { x: 322, y: 48, width: 128, height: 96 } }];
    expect(ghostBoxes(predictions, IMAGE, accepted, known, 0.4).map((each) => each.probability)).toEqual([0.5]);
  });

  it("shows proposals where nothing is", () => {
    const proposals = [{ confidence: 0.8, boundingBox: { left: 0, top: 0, width: 0.5, height: 0.5 } }];
    expect(proposalGhosts(proposals, IMAGE, [], [])).toHaveLength(1);
    const there = [{ key: "b", tagId: "cat", box: { x: 0, y: 0, width: 320, height: 240 } }];
    expect(proposalGhosts(proposals, IMAGE, there, [])).toEqual([]);
  });

  it("suggests tags that the image does not have", () => {
    const predictions = [prediction("cat", 0.3, 0), prediction("dog", 0.6, 0), prediction("owl", 0.1, 0)];
    expect(suggestedTags(predictions, ["cat"], known, 0.2).map((each) => each.tagId)).toEqual(["dog"]);
  });

  it("measures overlap", () => {
    const one = { x: 0, y: 0, width: 10, height: 10 };
    expect(overlap(one, one)).toBe(1);
    expect(overlap(one, { ...one, x: 5 })).toBeCloseTo(1 / 3);
    expect(overlap(one, { ...one, x: 10 })).toBe(0);
  });
});

it("chooses and removes tags", () => {
  const several = { single: false, isNegative: (id: string) => id === "none" };
  expect(toggledTag(["a"], "b", several)).toEqual(["a", "b"]);
  expect(toggledTag(["a", "b"], "a", several)).toEqual(["b"]);
  expect(toggledTag(["a", "b"], "none", several)).toEqual(["none"]);
  expect(toggledTag(["none"], "a", several)).toEqual(["a"]);
  expect(toggledTag(["a"], "b", { ...several, single: true })).toEqual(["b"]);
});
