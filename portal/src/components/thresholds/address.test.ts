import { expect, it } from "vitest";
import { fractionOf } from "./address";

it.each([
  ["0.25", 0.25],
  ["0", 0],
  ["1", 1],
  [null, 0.5],
  ["", 0.5],
  ["high", 0.5],
  ["1.5", 0.5],
  ["-0.1", 0.5],
])("reads the fraction %s as %s", (text, value) => {
  expect(fractionOf(text, 0.5)).toBe(value);
});
