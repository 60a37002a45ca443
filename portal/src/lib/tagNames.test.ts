import { expect, test } from "vitest";
import { withTagsByName } from "./tagNames";

test("rows and columns of a matrix follow their tags, and nothing stays at the end", () => {
  const found = withTagsByName({
    tags: [
      { id: "b", name: "part 10" },
      { id: "a", name: "part 9" },
    ],
    perTag: [{ tagName: "part 10" }, { tagName: "part 9" }],
    counts: [
      [1, 2, 3],
      [4, 5, 6],
      [7, 8, 9],
    ],
  });
  expect(found.tags.map((tag) => tag.id)).toEqual(["a", "b"]);
  expect(found.perTag.map((tag) => tag.tagName)).toEqual(["part 9", "part 10"]);
  expect(found.counts).toEqual([
    [5, 4, 6],
    [2, 1, 3],
    [8, 7, 9],
  ]);
});

test("without a matrix only the tags are arranged", () => {
  expect(withTagsByName({ tags: [], perTag: [], counts: null }).counts).toBeNull();
});
