import { describe, expect, it } from "vitest";
import { everything, isSelected, NOTHING, pinned, selectedCount, toggled, without, withImages } from "./selection";

describe("the selection", () => {
  it("holds some images", () => {
    const two = withImages(NOTHING, ["a", "b"]);
    expect([isSelected(two, "a"), isSelected(two, "c"), selectedCount(two)]).toEqual([true, false, 2]);
    expect(selectedCount(toggled(two, "a"))).toBe(1);
  });

  it("holds all images but some, of any number", () => {
    const most = toggled(everything(10_000), "a");
    expect([isSelected(most, "a"), isSelected(most, "never loaded")]).toEqual([false, true]);
    expect(selectedCount(most)).toBe(9_999);
    expect(selectedCount(toggled(most, "a"))).toBe(10_000);
  });

  it("adds a range to all but some", () => {
    const most = without(everything(10), ["a", "b", "c"]);
    expect(selectedCount(withImages(most, ["b", "c", "d"]))).toBe(9);
  });

  it("has no images that match later, once those of all are listed", () => {
    const most = pinned(without(everything(3), ["a"]), ["a", "b", "c"]);
    expect(selectedCount(most)).toBe(2);
    expect(["a", "b", "c", "later"].map((id) => isSelected(most, id))).toEqual([false, true, true, false]);
    const other = everything(3);
    expect(pinned(other, ["a", "b", "c", "later"])).toBe(other);
  });
});
