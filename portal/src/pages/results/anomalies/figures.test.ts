import { expect, it } from "vitest";
import type { EvaluatedImage } from "../images/judge";
import { anomalyFigures, scoredImages, scoreRanges } from "./figures";

function image(tagIds: string[], good: number): EvaluatedImage {
  const predictions = [
    { tagId: "good", tagName: "good", probability: good },
    { tagId: "anomaly", tagName: "anomaly", probability: 1 - good },
  ];
  return { tags: tagIds.map((tagId) => ({ tagId, tagName: tagId })), predictions } as unknown as EvaluatedImage;
}

const IMAGES = scoredImages([image(["good"], 0.9), image(["good"], 0.4), image(["anomaly"], 0.1), image(["scratch"], 0.75), image(["good"], 1)], "good");

it("counts false alarms and found defects at a threshold, also defects with tags of their own", () => {
  expect(anomalyFigures(IMAGES, 0.5)).toEqual({ good: 3, falseAlarms: 1, defects: 2, found: 1 });
  expect(anomalyFigures(IMAGES, 0.2)).toEqual({ good: 3, falseAlarms: 1, defects: 2, found: 2 });
  expect(anomalyFigures(IMAGES, 1)).toEqual({ good: 3, falseAlarms: 0, defects: 2, found: 0 });
  expect(anomalyFigures([], 0.5)).toEqual({ good: 0, falseAlarms: 0, defects: 0, found: 0 });
});

it("counts images in tenths of the score", () => {
  const ranges = scoreRanges([...IMAGES, { isGood: false, probability: 1 }]);
  expect(ranges).toHaveLength(10);
  expect(ranges[0]).toEqual({ from: 0.9, to: 1, good: 0, defects: 2 });
  expect(ranges.at(-1)).toEqual({ from: 0, to: 0.1, good: 2, defects: 0 });
});
