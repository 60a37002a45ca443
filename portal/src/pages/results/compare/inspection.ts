/** Two anomaly detectors compared: false alarms and found defects instead of figures of tags. */
import type { Comparison } from "../../../api/queries/testSets";

type Tag = Comparison["perTag"][number];

/** Of one model, at the threshold of the comparison. */
interface Inspection {
  /** Images without a defect that count as anomalies. */
  falseAlarms: number;
  /** Defects that count as anomalies. */
  found: number;
  averagePrecision: number;
}

interface ComparedInspections {
  /** Images without a defect. */
  good: number;
  defects: number;
  before: Inspection;
  after: Inspection;
}

/** undefined where one of both models has no tag of anomalies with this id. */
export function inspections(comparison: Comparison, anomalyTagId: string | undefined): ComparedInspections | undefined {
  const tag = comparison.perTag.find((each) => each.tagId === anomalyTagId);
  if (!tag) return undefined;
  const before = inspectionOf(tag.otherFigures, tag.count);
  const after = inspectionOf(tag.figures, tag.count);
  return before && after && { good: comparison.imageCount - tag.count, defects: tag.count, before, after };
}

/** An image counts as an anomaly exactly where the tag of anomalies is predicted. */
function inspectionOf(figures: Tag["figures"], defects: number): Inspection | undefined {
  if (figures?.predictionCount == null) return undefined;
  const found = Math.round(figures.recall * defects);
  return { falseAlarms: figures.predictionCount - found, found, averagePrecision: figures.averagePrecision };
}
