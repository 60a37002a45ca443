import { expect, it } from "vitest";
import type { Performance } from "../../../api/queries/performance";
import type { Tag } from "../../../api/queries/tags";
import { predictedTags, sorted, sortingOf, sortingText, tagRows } from "./rows";

const figures = (name: string, recall: number, averagePrecision: number | null) => ({
  id: name,
  name,
  precision: 0.5,
  precisionStdDeviation: 0,
  recall,
  recallStdDeviation: 0,
  averagePrecision,
});
const PERFORMANCE = {
  perTagPerformance: [figures("cat", 0.9, 0.8), figures("bird", 0.4, null), figures("ant", 0.4, 0.7)],
} as Performance;
const tag = (name: string, imageCount: number) => ({ id: name, name, imageCount }) as Tag;

it("warns of few images, and of far fewer than other tags have", () => {
  const rows = tagRows(PERFORMANCE, [tag("cat", 200), tag("bird", 40), tag("ant", 29)]);
  expect(rows.map((each) => each.warning?.split(":")[0] ?? null)).toEqual([
    null,
    "Far fewer images than other tags",
    "Far fewer images than other tags",
  ]);
  expect(tagRows(PERFORMANCE, [tag("cat", 29)])[0]?.warning).toContain("Fewer than 30 images");
  expect(tagRows(PERFORMANCE, [])[0]?.imageCount).toBeNull();
});

it("has no precision of a tag that is not predicted at the threshold", () => {
  const perTag = ["cat", "bird", "ant"].map((tagId, index) => ({ tagId, truePositives: index === 1 ? 0 : 3, falsePositives: 0 }));
  expect(tagRows(PERFORMANCE, [], predictedTags(perTag)).map((each) => each.precision)).toEqual([0.5, null, 0.5]);
  expect(tagRows(PERFORMANCE, []).map((each) => each.precision)).toEqual([0.5, 0.5, 0.5]);
});

it("sorts by any column, with missing values last", () => {
  const rows = tagRows(PERFORMANCE, []);
  const names = (text: string) => sorted(rows, sortingOf(text)).map((each) => each.name);
  expect(names("-recall")).toEqual(["cat", "ant", "bird"]);
  expect(names("averagePrecision")).toEqual(["ant", "cat", "bird"]);
  expect(names("-averagePrecision")).toEqual(["cat", "ant", "bird"]);
  expect(names("size")).toEqual(["ant", "bird", "cat"]);
  expect(sortingText(sortingOf("-recall"))).toBe("-recall");
});
