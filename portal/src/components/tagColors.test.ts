import { expect, test } from "vitest";
import { assignHues, tagHue } from "./tagColors";

const ids = (number: number) => Array.from({ length: number }, (_, index) => `${index}b7e54cc-51de-4f9a-8ad8-0d375935c868`);

test("twelve tags have twelve colors, and more tags use each color equally often", () => {
  assignHues(ids(12));
  expect(new Set(ids(12).map(tagHue)).size).toBe(12);
  assignHues(ids(24));
  const counts = new Map<string, number>();
  for (const id of ids(24)) counts.set(tagHue(id), (counts.get(tagHue(id)) ?? 0) + 1);
  expect([...counts.values()]).toEqual(Array<number>(12).fill(2));
});

test("the colors do not depend on the order of the tags", () => {
  assignHues(ids(5));
  const before = ids(5).map(tagHue);
  assignHues(ids(5).toReversed());
  expect(ids(5).map(tagHue)).toEqual(before);
});
