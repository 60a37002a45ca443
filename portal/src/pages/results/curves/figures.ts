/** Figures that are read from the curves. */
import type { CalibrationBin, CurvePoint } from "../../../api/queries/insight";

/** Harmonic mean of precision and recall. */
export function f1({ precision, recall }: Pick<CurvePoint, "precision" | "recall">): number {
  return precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall);
}

/** The point with the best F1; of equal ones, that of the highest threshold. */
export function bestPoint(points: readonly CurvePoint[]): CurvePoint | undefined {
  return points.reduce<CurvePoint | undefined>((best, point) => (best === undefined || f1(point) > f1(best) ? point : best), undefined);
}

/**
 * The point of a threshold: that of the lowest probability that reaches it. Points have the highest threshold first.
 * Undefined where no prediction reaches it.
 */
export function pointAt(points: readonly CurvePoint[], threshold: number): CurvePoint | undefined {
  return points.findLast((point) => point.threshold >= threshold - 1e-6);
}

/** Points in rising order of their thresholds, as columns for a chart. */
export function columns(points: readonly CurvePoint[]): [number[], number[], number[], number[]] {
  const rising = points.toReversed();
  return [
    rising.map((point) => point.threshold),
    rising.map((point) => point.precision),
    rising.map((point) => point.recall),
    rising.map((point) => f1(point)),
  ];
}

/** The bin of a probability. */
export function binAt(bins: readonly CalibrationBin[], probability: number): CalibrationBin | undefined {
  return bins.find((bin) => probability >= bin.lower && (probability < bin.upper || bin.upper === 1));
}

/** "Predictions around 80% are right in 75% of cases"; null where there are none. */
export function calibrationSentence(bins: readonly CalibrationBin[], probability: number): string | null {
  const bin = binAt(bins, probability);
  if (!bin || bin.shareRight === null) return null;
  const range = `${Math.round(bin.lower * 100)}% to ${Math.round(bin.upper * 100)}%`;
  const predictions = bin.count === 1 ? "1 prediction" : `${bin.count.toLocaleString()} predictions`;
  return `Predictions with a probability of ${range} are right in ${Math.round(bin.shareRight * 100)}% of cases (${predictions}).`;
}
