/** What anomaly detection says of an image. */
import { percent } from "../../lib/format";

interface Scored {
  tagId: string;
  tagName: string;
  probability: number;
  tagType?: string | null;
}

/** From this probability on, an image counts as an anomaly by default. */
export const ANOMALY_FROM = 0.5;

/** The prediction of the tag of anomalies, which is the Negative one; undefined where there is none. */
export function anomalyOf<Each extends Scored>(predictions: readonly Each[]): Each | undefined {
  return predictions.find((each) => each.tagType === "Negative");
}

/** "Anomaly, score 73%", "Good, score 12%". anomalyTagId: the tag of the anomalies. */
export function inspectionText(predictions: readonly Scored[], anomalyTagId: string, threshold: number): string {
  const probability = predictions.find((each) => each.tagId === anomalyTagId)?.probability ?? 0;
  return `${probability >= threshold ? "Anomaly" : "Good"}, score ${percent(probability, 0)}`;
}
