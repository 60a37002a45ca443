import { Anchor, Stack, Text } from "@mantine/core";
import { Link, useLocation, useSearch } from "wouter";
import { useConfusionMatrix } from "../../../api/queries/insight";
import { usePerformance, useTrainedImageCount, type Performance } from "../../../api/queries/performance";
import { useTags } from "../../../api/queries/tags";
import { Loaded } from "../../../components/states";
import { count } from "../../../lib/format";
import { useThresholds } from "../../../components/thresholds/address";
import type { ResultsTabProps } from "../tabs";
import { AnomalyPerformance } from "../anomalies/AnomalyPerformance";
import { FigureRing } from "./FigureRing";
import { predictedTags, tagRows } from "./rows";
import styles from "./performance.module.css";
import { TagTable } from "./TagTable";
import { TrainingAttempts } from "./TrainingAttempts";

/** The figures of an iteration. */
export default function PerformanceTab(props: ResultsTabProps) {
  return props.isAnomaly ? <AnomalyPerformance {...props} /> : <TagPerformance {...props} />;
}

/** The three figures of an iteration, over all and by tag. */
function TagPerformance(props: ResultsTabProps) {
  const { projectId, iteration } = props;
  const { threshold, overlapThreshold } = useThresholds();
  const performance = usePerformance(projectId, iteration.id, threshold, overlapThreshold);
  const tags = useTags(projectId, iteration.id);
  const matrix = useConfusionMatrix(projectId, iteration.id, { threshold, overlapThreshold }).data;
  const predicted = matrix && predictedTags(matrix.perTag);
  return (
    <Loaded query={performance}>
      {(figures) => (
        <Stack gap="lg">
          <Figures figures={figures} isDefined={predicted?.size !== 0} />
          <Measured {...props} imageCount={matrix?.imageCount} tagIds={figures.perTagPerformance.map((tag) => tag.id)} />
          <TagTable rows={tagRows(figures, tags.data ?? [], predicted)} />
          <TrainingAttempts projectId={projectId} iterationId={iteration.id} />
        </Stack>
      )}
    </Loaded>
  );
}

/** isDefined: whether anything is predicted at the threshold; otherwise there is no precision. */
function Figures({ figures, isDefined }: { figures: Performance; isDefined: boolean }) {
  return (
    <div className={styles.figures}>
      <FigureRing
        name="Precision"
        color="grape"
        value={isDefined ? figures.precision : null}
        deviation={figures.precisionStdDeviation}
        text="Share of the predictions that are right."
      />
      <FigureRing
        name="Recall"
        color="blue"
        value={figures.recall}
        deviation={figures.recallStdDeviation}
        text="Share of what is there that is predicted."
      />
      <FigureRing
        name="AP"
        color="green"
        value={figures.averagePrecision}
        text="Average precision: the mean over all thresholds."
      />
    </div>
  );
}

interface MeasuredProps extends ResultsTabProps {
  imageCount: number | undefined;
  /** Of the model. */
  tagIds: readonly string[];
}

/** Says which images the figures are calculated from, and how. */
function Measured({ projectId, iteration, isDetection, imageCount, tagIds }: MeasuredProps) {
  const { threshold, overlapThreshold } = useThresholds();
  const trained = useTrainedImageCount(projectId, iteration.id, tagIds).data;
  const others = trained === undefined || imageCount === undefined ? 0 : trained - imageCount;
  const [location] = useLocation();
  const search = new URLSearchParams(useSearch());
  search.set("tab", "images");
  return (
    <Text size="sm" c="dimmed" maw={900}>
      {/* As long as with the number, so that no line is added when it arrives. */}
      Measured on {imageCount === undefined ? "… images" : count(imageCount, "image")} by cross-validation: the images are divided into
      parts (folds), and each part was predicted by a model that was trained on the others.{" "}
      {others > 0 && `The other ${count(others, "image")} of the training ${others === 1 ? "was" : "were"} not measured, which saves time. `}
      Values after ± are standard deviations of the folds, in percentage points. Predictions from {Math.round(threshold * 100)}% on count
      {isDetection &&
        `; a box is right if it overlaps an object of its tag by ${Math.round(overlapThreshold * 100)}% or more`}
      . A quick test with one of these images shows another probability, since the final model was trained on it.{" "}
      <Anchor component={Link} href={`${location}?${search.toString()}`} underline="always">
        Show the images
      </Anchor>
    </Text>
  );
}
