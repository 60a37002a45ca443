import { describe, expect, it } from "vitest";
import { bestPoint, binAt, calibrationSentence, columns, f1, pointAt } from "./figures";

const POINTS = [
  { threshold: 0.9, precision: 1, recall: 0.25 },
  { threshold: 0.6, precision: 0.8, recall: 0.8 },
  { threshold: 0.2, precision: 0.5, recall: 1 },
];

describe("the best threshold", () => {
  it("is that of the best F1", () => {
    expect(f1({ precision: 0.5, recall: 1 })).toBeCloseTo(2 / 3);
    expect(f1({ precision: 0, recall: 0 })).toBe(0);
    expect(bestPoint(POINTS)?.threshold).toBe(0.6);
    expect(bestPoint([])).toBeUndefined();
  });

  it("is the highest of equally good ones", () => {
    expect(bestPoint([{ threshold: 0.9, precision: 1, recall: 1 }, { threshold: 0.1, precision: 1, recall: 1 }])?.threshold).toBe(0.9);
  });
});

it.each([
  [0.95, undefined],
  [0.9, 0.9],
  [0.7, 0.9],
  [0.6, 0.6],
  [0.3, 0.6],
  [0, 0.2],
])("the point of the threshold %s is that of the lowest probability that reaches it", (threshold, expected) => {
  expect(pointAt(POINTS, threshold)?.threshold).toBe(expected);
});

it("charts have rising thresholds", () => {
  expect(columns(POINTS)[0]).toEqual([0.2, 0.6, 0.9]);
  expect(columns(POINTS)[1]).toEqual([0.5, 0.8, 1]);
});

describe("calibration", () => {
  const bins = [
    { lower: 0, upper: 0.5, count: 0, meanConfidence: null, shareRight: null },
    { lower: 0.5, upper: 1, count: 4, meanConfidence: 0.8, shareRight: 0.75 },
  ];
  it("finds the bin of a probability, its upper end included", () => {
    expect(binAt(bins, 0.5)?.lower).toBe(0.5);
    expect(binAt(bins, 0.49)?.lower).toBe(0);
    expect(binAt(bins, 1)?.lower).toBe(0.5);
  });
  it("is said in a sentence", () => {
    expect(calibrationSentence(bins, 0.8)).toBe("Predictions with a probability of 50% to 100% are right in 75% of cases (4 predictions).");
    expect(calibrationSentence(bins, 0.2)).toBeNull();
  });
});
