import { expect, test } from "vitest";
import type { Tag } from "../../api/queries/tags";
import { anomalyReadiness, readiness } from "./readiness";

function tag(name: string, imageCount: number, type: Tag["type"] = "Regular"): Tag {
  return { id: name, name, description: null, type, imageCount };
}

test("two tags with five images each are enough for a classifier", () => {
  const found = readiness([tag("a", 5), tag("b", 9)], false);
  expect(found).toEqual({ minimum: 5, problems: [], lacking: [], imbalance: null });
});

test("each tag that lacks images has a sentence, those with the fewest first", () => {
  const { problems } = readiness([tag("a", 4), tag("b", 9), tag("c", 2)], false);
  expect(problems).toEqual([
    "'\u2068c\u2069' needs 3 more images: it has 2 of 5.",
    "'\u2068a\u2069' needs 1 more image: it has 4 of 5.",
  ]);
});

test("a detector needs one tag with fifteen images", () => {
  expect(readiness([tag("a", 15)], true).problems).toEqual([]);
  expect(readiness([tag("a", 14)], true).problems).toEqual(["'\u2068a\u2069' needs 1 more image with boxes: it has 14 of 15."]);
  expect(readiness([], true).problems).toHaveLength(1);
});

test("a classifier needs two tags, and not only a negative one", () => {
  expect(readiness([], false).problems[0]).toContain("there is none yet");
  expect(readiness([tag("a", 50)], false).problems[0]).toContain("there is one");
  expect(readiness([tag("a", 50), tag("n", 0, "Negative")], false).problems).toHaveLength(1);
});

test("a negative tag without images is left out, one with images counts", () => {
  expect(readiness([tag("a", 5), tag("b", 5), tag("n", 0, "Negative")], false).problems).toEqual([]);
  expect(readiness([tag("a", 5), tag("b", 5), tag("n", 2, "Negative")], false).problems).toHaveLength(1);
});

test("more than twice as many images are unbalanced", () => {
  expect(readiness([tag("a", 5), tag("b", 10)], false).imbalance).toBeNull();
  const { imbalance } = readiness([tag("a", 5), tag("b", 11), tag("c", 7)], false);
  expect([imbalance?.smallest.name, imbalance?.largest.name]).toEqual(["a", "b"]);
});

test("anomaly detection needs ten images of one tag, and none of the negative one", () => {
  expect(anomalyReadiness([tag("good", 10)]).problems).toEqual([]);
  expect(anomalyReadiness([tag("good", 10), tag("defect", 1, "Negative")]).problems).toEqual([]);
  expect(anomalyReadiness([tag("good", 9)]).problems).toEqual(["'\u2068good\u2069' needs 1 more image: it has 9 of 10."]);
  expect(anomalyReadiness([tag("defect", 30, "Negative")]).problems[0]).toContain("no tag of good parts");
  expect(anomalyReadiness([tag("good", 30), tag("scratch", 30)]).problems[0]).toContain("There are 2 tags");
});
