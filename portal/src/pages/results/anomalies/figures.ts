/** What anomaly detection gets right and wrong on the images that it was measured on. */
import type { EvaluatedImage } from "../images/judge";

interface AnomalyFigures {
  good: number;
  /** Good images that count as anomalies. */
  falseAlarms: number;
  defects: number;
  /** Defects that count as anomalies. */
  found: number;
}

/** An evaluated image: whether it is one of good parts, and the probability of an anomaly. */
export interface ScoredImage {
  isGood: boolean;
  probability: number;
}

/** goodTagId: of the good parts; images of all other tags are known defects. */
export function scoredImages(images: readonly EvaluatedImage[], goodTagId: string): ScoredImage[] {
  return images.map((image) => ({
    isGood: image.tags.some((tag) => tag.tagId === goodTagId),
    probability: 1 - (image.predictions.find((each) => each.tagId === goodTagId)?.probability ?? 1),
  }));
}

export function anomalyFigures(images: readonly ScoredImage[], threshold: number): AnomalyFigures {
  const figures = { good: 0, falseAlarms: 0, defects: 0, found: 0 };
  for (const { isGood, probability } of images) {
    const counts = probability >= threshold ? 1 : 0;
    if (isGood) {
      figures.good += 1;
      figures.falseAlarms += counts;
    } else {
      figures.defects += 1;
      figures.found += counts;
    }
  }
  return figures;
}

interface ScoreRange {
  from: number;
  to: number;
  good: number;
  defects: number;
}

const RANGES = 10;

/** Numbers of images by their score, in tenths, the highest first. */
export function scoreRanges(images: readonly ScoredImage[]): ScoreRange[] {
  const ranges = Array.from({ length: RANGES }, (_, index) => ({ from: index / RANGES, to: (index + 1) / RANGES, good: 0, defects: 0 }));
  for (const { isGood, probability } of images) {
    const range = ranges[Math.min(RANGES - 1, Math.floor(probability * RANGES))];
    if (range) range[isGood ? "good" : "defects"] += 1;
  }
  return ranges.toReversed();
}
