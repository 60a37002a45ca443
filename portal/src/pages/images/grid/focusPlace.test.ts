import { expect, test } from "vitest";
import { focusPlace } from "./focusPlace";

test("the focus goes on after images that left the list, without skipping any", () => {
  expect(focusPlace(["a", "b", "c"], ["d", "e", "f"])).toBe(0);
  expect(focusPlace(["a", "b", "c", "d"], ["a", "e", "f"])).toBe(1);
  // c was passed over on purpose: the focus goes on after it.
  expect(focusPlace(["a", "b", "c", "d"], ["a", "c", "e"])).toBe(2);
});

test("the focus stays at its image when others come before it", () => {
  expect(focusPlace(["a", "b"], ["new", "a", "b", "c"])).toBe(2);
  expect(focusPlace(["a", "b"], ["b"])).toBe(0);
});
