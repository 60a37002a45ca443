import { describe, expect, it } from "vitest";
import { changedBox, difference, isEmpty, isForeign, ofImage, patched, reconciled, sameLabels, shown, withForeign, type Labels, type Stored } from "./labels";

const box = (x: number) => ({ x, y: 10, width: 20, height: 30 });
const stored = (...keys: string[]): Stored => ({
  boxes: keys.map((key, index) => ({ regionId: `region-${key}`, key, tagId: "cat", box: box(index * 50) })),
  tagIds: [],
});

describe("the difference to the server", () => {
  it("is empty right after reading", () => {
    const before = stored("a", "b");
    expect(isEmpty(difference(before, shown(before)))).toBe(true);
  });

  it("replaces boxes that were moved or tagged, and deletes those that are gone", () => {
    const before = stored("a", "b", "c");
    const labels = shown(before);
    const [a, b] = labels.boxes;
    if (!a || !b) throw new Error("no boxes");
    const change = difference(before, { boxes: [{ ...a, box: box(7) }, { ...b, tagId: "dog" }], tagIds: [] });
    expect(change.boxesToCreate.map((each) => [each.key, each.tagId, each.box.x])).toEqual([
      ["a", "cat", 7],
      ["b", "dog", 50],
    ]);
    expect(change.regionsToDelete).toEqual(["region-a", "region-b", "region-c"]);
  });

  it("does not send boxes without a tag, nor the same box twice", () => {
    const twice = { tagId: "cat", box: box(300) };
    const boxes = [{ key: "x", ...twice }, { key: "y", ...twice }, { key: "z", tagId: null, box: box(1) }];
    expect(difference(stored(), { boxes, tagIds: [] }).boxesToCreate.map((each) => each.key)).toEqual(["x"]);
  });

  it("adds and removes tags", () => {
    const change = difference({ boxes: [], tagIds: ["a", "b"] }, { boxes: [], tagIds: ["b", "c"] });
    expect([change.tagsToAdd, change.tagsToRemove]).toEqual([["c"], ["a"]]);
  });
});

describe("changes made elsewhere", () => {
  it("are none when the server has what was read", () => {
    const before = stored("a");
    expect(isForeign(reconciled(before, shown(before), before).foreign)).toBe(false);
  });

  it("adds boxes of others beside unsaved ones", () => {
    const before = stored("a");
    const labels: Labels = { boxes: [...shown(before).boxes, { key: "new-1", tagId: "cat", box: box(400) }], tagIds: [] };
    const result = reconciled(before, labels, stored("a", "theirs"));
    const merged = withForeign(labels, result.foreign, false);
    expect(merged.boxes.map((each) => each.key)).toEqual(["a", "new-1", "theirs"]);
    expect(difference(result.stored, merged).boxesToCreate.map((each) => each.key)).toEqual(["new-1"]);
    expect(difference(result.stored, merged).regionsToDelete).toEqual([]);
  });

  it("recognizes a box whose response was lost", () => {
    const labels: Labels = { boxes: [{ key: "new-1", tagId: "cat", box: box(0) }], tagIds: [] };
    const now: Stored = { boxes: [{ regionId: "r", key: "r", tagId: "cat", box: { ...box(0), x: 0.0004 } }], tagIds: [] };
    const result = reconciled(stored(), labels, now);
    expect(isForeign(result.foreign)).toBe(false);
    expect(isEmpty(difference(result.stored, labels))).toBe(true);
  });

  it("removes boxes that others removed, but not those that were changed here", () => {
    const before = stored("a", "b");
    const [a, b] = shown(before).boxes;
    if (!a || !b) throw new Error("no boxes");
    const labels: Labels = { boxes: [a, { ...b, box: box(333) }], tagIds: [] };
    const { stored: now, foreign } = reconciled(before, labels, stored());
    const merged = withForeign(labels, foreign, false);
    expect(merged.boxes.map((each) => each.key)).toEqual(["b"]);
    expect(difference(now, merged).boxesToCreate.map((each) => each.key)).toEqual(["b"]);
  });

  it("keeps the tag chosen here where an image has one", () => {
    const tags = (...tagIds: string[]): Stored => ({ boxes: [], tagIds });
    const chosen: Labels = { boxes: [], tagIds: ["mine"] };
    const { foreign } = reconciled(tags(), chosen, tags("theirs"));
    expect(withForeign(chosen, foreign, true).tagIds).toEqual(["mine"]);
    const untouched = reconciled(tags("old"), { boxes: [], tagIds: ["old"] }, tags("theirs")).foreign;
    expect(withForeign({ boxes: [], tagIds: ["old"] }, untouched, true).tagIds).toEqual(["theirs"]);
  });
});

it("finds the box that undo puts in place", () => {
  const [both, one] = [shown(stored("a", "b")), shown(stored("a"))];
  expect(changedBox(one, both)).toBe("b");
  expect(changedBox(both, one)).toBeNull();
  const moved: Labels = { boxes: both.boxes.map((each) => (each.key === "a" ? { ...each, box: box(77) } : each)), tagIds: [] };
  expect(changedBox(both, moved)).toBe("a");
});

it("undoes its own change and leaves others", () => {
  const before = shown(stored("a", "b"));
  const after: Labels = { boxes: [...before.boxes.slice(1), { key: "new-1", tagId: "cat", box: box(9) }], tagIds: ["t"] };
  const now: Labels = { boxes: [...after.boxes, { key: "later", tagId: "dog", box: box(70) }], tagIds: ["t", "u"] };
  const result = patched(now, after, before);
  expect(result.boxes.map((each) => each.key).toSorted()).toEqual(["a", "b", "later"]);
  expect(result.tagIds).toEqual(["u"]);
  expect(sameLabels(patched(result, before, after), now)).toBe(true);
});

it("reads the regions of an image in pixels", () => {
  const region = { regionId: "r", tagId: "t", tagName: "cat", created: "", left: 0.25, top: 0.5, width: 0.5, height: 0.25 };
  const image = { id: "i", created: "", width: 200, height: 100, resizedImageUri: "", originalImageUri: "", thumbnailUri: "", regions: [region] };
  expect(ofImage(image, true).boxes).toEqual([{ regionId: "r", key: "r", tagId: "t", box: { x: 50, y: 50, width: 100, height: 25 } }]);
});
