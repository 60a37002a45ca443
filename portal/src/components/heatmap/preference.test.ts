import { expect, it } from "vitest";
import { preferenceOf } from "./preference";

it("takes what this version has written, and defaults for anything else", () => {
  expect(preferenceOf({ isShown: true, opacity: 0.4 })).toEqual({ isShown: true, opacity: 0.4 });
  expect(preferenceOf({ isShown: "yes", opacity: 7 })).toEqual({ isShown: false, opacity: 1 });
  expect(preferenceOf({})).toEqual({ isShown: false, opacity: 1 });
});
