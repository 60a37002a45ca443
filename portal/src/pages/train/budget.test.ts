import { expect, test } from "vitest";
import { budgetInWords } from "./budget";

test("an hour is an hour by default", () => {
  expect(budgetInWords(2, 3600)).toBe("The training takes at most 2 h 0 min, and ends earlier if more time would not improve the model.");
});

test("a shorter hour is explained", () => {
  expect(budgetInWords(5, 60)).toContain("An hour of the budget lasts 1 min 0 s here (option --training-hour 60). The training takes at most 5 min 0 s");
});
