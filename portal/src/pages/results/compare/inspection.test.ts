import { expect, it } from "vitest";
import type { Comparison } from "../../../api/queries/testSets";
import { inspections } from "./inspection";

const figures = (recall: number, predictionCount: number | null) => ({ precision: 0.5, recall, averagePrecision: 0.8, predictionCount });

function comparison(after: ReturnType<typeof figures> | null): Comparison {
  return { imageCount: 15, perTag: [{ tagId: "anomaly", tagName: "a", count: 3, figures: after, otherFigures: figures(0.6666667, 3) }] } as unknown as Comparison;
}

it("counts false alarms and found defects of both models", () => {
  expect(inspections(comparison(figures(1, 4)), "anomaly")).toEqual({
    good: 12,
    defects: 3,
    before: { falseAlarms: 1, found: 2, averagePrecision: 0.8 },
    after: { falseAlarms: 1, found: 3, averagePrecision: 0.8 },
  });
});

it("does not know models without the tag, and without their numbers of predictions", () => {
  expect(inspections(comparison(null), "anomaly")).toBeUndefined();
  expect(inspections(comparison(figures(1, null)), "anomaly")).toBeUndefined();
  expect(inspections(comparison(figures(1, 4)), undefined)).toBeUndefined();
});
