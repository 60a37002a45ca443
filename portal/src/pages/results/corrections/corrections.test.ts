import { expect, it } from "vitest";
import { corrected } from "./corrections";

it.each([
  [["a"], ["b"], ["a"], ["b"]],
  [["a", "c"], ["b"], ["a"], ["c", "b"]],
  [["a"], ["a"], [], ["a"]],
  [["a", "b"], [], ["b"], ["a"]],
  [[], ["a"], ["b"], ["a"]],
])("of %s adds %s and removes %s", (before, add, remove, after) => {
  expect(corrected(before, { kind: "tags", add, remove })).toEqual(after);
});
