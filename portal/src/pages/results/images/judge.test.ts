import { describe, expect, it } from "vitest";
import { concerns, isWrongAbout, judged, overlapOf, wrongFirst, wrongPairs, wrongTagIds, type Box, type EvaluatedImage, type Rules } from "./judge";

const RULES: Rules = {
  isDetection: false,
  isMulticlass: false,
  threshold: 0.5,
  overlapThreshold: 0.3,
  modelTagIds: new Set(["cat", "dog", "bird"]),
};
const box = (left: number, top: number, width = 0.2, height = 0.2): Box => ({ left, top, width, height });

function image(labels: string[], predictions: Record<string, number>): EvaluatedImage {
  return {
    tags: labels.map((tagId) => ({ tagId, tagName: tagId, created: "" })),
    regions: [],
    predictions: Object.entries(predictions).map(([tagId, probability]) => ({ tagId, tagName: tagId, probability })),
  } as unknown as EvaluatedImage;
}

function detection(labels: [string, Box][], predictions: [string, number, Box][]): EvaluatedImage {
  return {
    tags: [],
    regions: labels.map(([tagId, place]) => ({ tagId, tagName: tagId, ...place })),
    predictions: predictions.map(([tagId, probability, boundingBox]) => ({ tagId, tagName: tagId, probability, boundingBox })),
  } as unknown as EvaluatedImage;
}

describe("anomaly detection", () => {
  const rules = { ...RULES, goodTagId: "cat", isMulticlass: true };

  it("counts an anomaly from the threshold on, below one half, too", () => {
    const low = { ...rules, threshold: 0.3 };
    expect(judged(image(["cat"], { cat: 0.65, dog: 0.35 }), low).predictions.map((each) => each.tagId)).toEqual(["dog"]);
    expect(judged(image(["cat"], { cat: 0.65, dog: 0.35 }), low).isWrong).toBe(true);
    const high = { ...rules, threshold: 0.8 };
    const good = judged(image(["cat"], { cat: 0.3, dog: 0.7 }), high);
    expect([good.predictions[0]?.tagId, good.isWrong]).toEqual(["cat", false]);
  });

  it("takes images of any other tag for defects", () => {
    expect(judged(image(["scratch"], { cat: 0.1, dog: 0.9 }), rules).isWrong).toBe(false);
    expect(judged(image(["scratch"], { cat: 0.9, dog: 0.1 }), rules).isWrong).toBe(true);
  });
});

describe("classification", () => {
  it("counts predictions from the threshold on", () => {
    const { predictions, labels, isWrong } = judged(image(["cat"], { cat: 0.5, dog: 0.49 }), RULES);
    expect(predictions.map((each) => each.tagId)).toEqual(["cat"]);
    expect(labels[0]?.isRight).toBe(true);
    expect(isWrong).toBe(false);
  });

  it("finds missed labels and false predictions", () => {
    const judgment = judged(image(["cat", "bird"], { cat: 0.2, dog: 0.9, bird: 0.6 }), RULES);
    expect(judgment.labels.map((each) => each.isRight)).toEqual([false, true]);
    expect(judgment.predictions.map((each) => [each.tagId, each.isRight])).toEqual([["dog", false], ["bird", true]]);
    expect(judgment.severity).toBeCloseTo(0.9);
    expect(wrongTagIds(judgment)).toEqual(["cat", "dog"]);
    expect([isWrongAbout(judgment, "cat"), isWrongAbout(judgment, "bird"), concerns(judgment, "bird")]).toEqual([true, false, true]);
  });

  it("has the most probable tag alone in multiclass projects", () => {
    const rules = { ...RULES, isMulticlass: true, threshold: 0.1 };
    expect(judged(image(["cat"], { cat: 0.3, dog: 0.6 }), rules).predictions.map((each) => each.tagId)).toEqual(["dog"]);
  });

  it("does not count labels that the model was not trained on", () => {
    expect(judged(image(["fox"], { cat: 0.1 }), RULES).isWrong).toBe(false);
  });
});

describe("detection", () => {
  const rules = { ...RULES, isDetection: true };

  it("matches each object once, with the most probable box first", () => {
    const judgment = judged(detection([["cat", box(0.1, 0.1)]], [["cat", 0.6, box(0.1, 0.1)], ["cat", 0.9, box(0.12, 0.1)]]), rules);
    expect(judgment.predictions.map((each) => [each.probability, each.isRight])).toEqual([[0.9, true], [0.6, false]]);
    expect(judgment.labels[0]?.isRight).toBe(true);
  });

  it("needs the tag and the overlap", () => {
    expect(judged(detection([["cat", box(0.1, 0.1)]], [["dog", 0.9, box(0.1, 0.1)]]), rules).isWrong).toBe(true);
    expect(judged(detection([["cat", box(0.1, 0.1)]], [["cat", 0.9, box(0.28, 0.1)]]), rules).labels[0]?.isRight).toBe(false);
  });

  it("pairs a wrong box with the object of another tag below it, for a correction", () => {
    const image = detection(
      [["cat", box(0.1, 0.1)], ["bird", box(0.7, 0.7)], ["dog", box(0.4, 0.4)]],
      [["dog", 0.9, box(0.12, 0.1)], ["dog", 0.8, box(0.4, 0.4)], ["bird", 0.7, box(0.1, 0.7)]],
    );
    const pairs = wrongPairs(judged(image, rules), rules.overlapThreshold);
    expect(pairs.map(({ object, prediction }) => [object?.tagId, prediction?.tagId])).toEqual([
      ["cat", "dog"],
      [undefined, "bird"],
      ["bird", undefined],
    ]);
  });

  it("calculates the overlap", () => {
    expect(overlapOf(box(0, 0), box(0, 0))).toBeCloseTo(1);
    expect(overlapOf(box(0, 0), box(0.1, 0))).toBeCloseTo(1 / 3);
    expect(overlapOf(box(0, 0), box(0.5, 0.5))).toBe(0);
  });
});

it("puts the surest errors first", () => {
  const judgments = [image(["cat"], { cat: 0.9 }), image(["cat"], { dog: 0.6, cat: 0.5 }), image(["cat"], { cat: 0, dog: 0.99 })].map(
    (each) => judged(each, RULES),
  );
  expect(wrongFirst(judgments).map((each) => Number(each.severity.toFixed(2)))).toEqual([1, 0.6, 0]);
});
