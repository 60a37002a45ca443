import { expect, it } from "vitest";
import { inOrder, moved, reordered, withNewTags } from "./tagOrder";

const tags = ["apple", "banana", "cherry"].map((id) => ({ id }));

it("sorts tags as stored, others after them as they come", () => {
  expect(inOrder(tags, ["cherry", "gone", "apple"]).map((tag) => tag.id)).toEqual(["cherry", "apple", "banana"]);
  expect(inOrder(tags, [])).toEqual(tags);
});

it("moves a tag", () => {
  expect(moved(["a", "b", "c"], 0, 2)).toEqual(["b", "c", "a"]);
  expect(moved(["a", "b", "c"], 2, 0)).toEqual(["c", "a", "b"]);
  expect(moved(["a"], 5, 0)).toEqual(["a"]);
});

it("keeps the place of a deleted tag, to which undo brings it back", () => {
  const order = withNewTags(["apple", "gone", "cherry"], ["apple", "cherry", "banana"]);
  expect(order).toEqual(["apple", "gone", "cherry", "banana"]);
  expect(withNewTags(order, ["banana", "apple"])).toBe(order);
  expect(reordered(order, ["banana", "apple", "cherry"])).toEqual(["banana", "apple", "gone", "cherry"]);
  expect(reordered(["gone", "apple", "pear"], ["pear", "apple"])).toEqual(["gone", "pear", "apple"]);
});
