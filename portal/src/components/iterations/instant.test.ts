import { expect, test } from "vitest";
import { choiceOf, preferred } from "./instant";

const iterations = [
  { id: "c", name: "Iteration 3" },
  { id: "b", name: "Iteration 2" },
  { id: "a", name: "Iteration 1" },
];

test("the newest iteration that was not made by the instant trainer is preferred", () => {
  expect(preferred(iterations, new Set())?.id).toBe("c");
  expect(preferred(iterations, new Set(["c"]))?.id).toBe("b");
  expect(preferred(iterations, new Set(["a", "b", "c"]))?.id).toBe("c");
});

test("instant models are marked where they are chosen", () => {
  expect(iterations.map((each) => choiceOf(each, new Set(["b"])).label)).toEqual([
    "Iteration 3",
    "Iteration 2 (instant, for tests only)",
    "Iteration 1",
  ]);
});
