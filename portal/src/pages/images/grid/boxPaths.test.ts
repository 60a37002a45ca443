import { expect, it } from "vitest";
import { boxPaths } from "./boxPaths";

const box = (tagId: string, left = 0.25) => ({ tagId, left, top: 0.5, width: 0.5, height: 0.25 });

it("draws the boxes of a tag as one path, in pixels", () => {
  expect(boxPaths([box("a"), box("b", 0), box("a", 0.5)], 400, 200)).toEqual([
    { tagId: "a", path: "M100 100H300V150H100ZM200 100H400V150H200Z" },
    { tagId: "b", path: "M0 100H200V150H0Z" },
  ]);
});

it("has at most three paths", () => {
  const many = Array.from({ length: 300 }, (_, index) => box(`t${index % 7}`));
  const paths = boxPaths(many, 100, 100);
  expect(paths).toHaveLength(3);
  expect(paths.map(({ path }) => path.split("Z").length - 1).reduce((a, b) => a + b)).toBe(300);
});
