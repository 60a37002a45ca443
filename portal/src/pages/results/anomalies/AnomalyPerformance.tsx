import { Alert, Anchor, Stack, Table, Text, Title } from "@mantine/core";
import { useMemo } from "react";
import { Link, useLocation, useSearch } from "wouter";
import { DEFAULT_OVERLAP, DEFAULT_THRESHOLD, useThresholds } from "../../../components/thresholds/address";
import { usePerformance, type Performance } from "../../../api/queries/performance";
import { useTags, type Tag } from "../../../api/queries/tags";
import { Loaded } from "../../../components/states";
import { count, percent } from "../../../lib/format";
import type { EvaluatedImage } from "../images/judge";
import { useEvaluatedImages } from "../images/useEvaluatedImages";
import { FigureRing } from "../performance/FigureRing";
import type { ResultsTabProps } from "../tabs";
import { anomalyFigures, scoredImages, scoreRanges, type ScoredImage } from "./figures";
import styles from "../performance/performance.module.css";

/** False alarms among good images, found defects where some are known, and the scores of all. */
export function AnomalyPerformance({ projectId, iteration }: ResultsTabProps) {
  const thresholds = useThresholds();
  const performance = usePerformance(projectId, iteration.id, DEFAULT_THRESHOLD, DEFAULT_OVERLAP);
  const modelTags = useTags(projectId, iteration.id);
  const images = useEvaluatedImages(projectId, iteration.id, thresholds);
  return (
    <Loaded query={performance}>
      {(figures) => (
        <Loaded query={modelTags}>
          {(tags) => (
            <Loaded query={images}>
              {(all) => <Figures performance={figures} tags={tags} images={all} isComplete={images.isComplete} threshold={thresholds.threshold} />}
            </Loaded>
          )}
        </Loaded>
      )}
    </Loaded>
  );
}

interface Props {
  performance: Performance;
  tags: readonly Tag[];
  images: readonly EvaluatedImage[];
  isComplete: boolean;
  threshold: number;
}

function Figures({ performance, tags, images, isComplete, threshold }: Props) {
  const negative = new Set(tags.filter((tag) => tag.type === "Negative").map((tag) => tag.id));
  const good = performance.perTagPerformance.find((tag) => !negative.has(tag.id));
  const anomaly = performance.perTagPerformance.find((tag) => negative.has(tag.id));
  const scored = useMemo(() => scoredImages(images, good?.id ?? ""), [images, good?.id]);
  const figures = anomalyFigures(scored, threshold);
  const [location] = useLocation();
  const search = new URLSearchParams(useSearch());
  search.set("tab", "images");
  return (
    <Stack gap="lg">
      <div className={styles.figures}>
        <FigureRing
          name="False alarms"
          color="orange"
          value={figures.good > 0 ? figures.falseAlarms / figures.good : null}
          text={`${figures.falseAlarms.toLocaleString()} of ${count(figures.good, "image")} of good parts.`}
        />
        {figures.defects > 0 && (
          <>
            <FigureRing
              name="Defects found"
              color="blue"
              value={figures.found / figures.defects}
              text={`${figures.found.toLocaleString()} of ${count(figures.defects, "image")} of known defects.`}
            />
            <FigureRing
              name="AP"
              color="green"
              value={anomaly?.averagePrecision ?? null}
              text="Average precision: how well scores part defects from good parts, over all thresholds."
            />
          </>
        )}
      </div>
      {figures.defects === 0 && (
        <Alert color="blue" title="How many anomalies are found is not known">
          No image of a defect was scored. Give images of known defects the negative tag, and train again: they are not learned,
          only scored.
        </Alert>
      )}
      <Text size="sm" c="dimmed" maw={900}>
        Measured on {count(images.length, "image")}
        {!isComplete && " so far"}: each image of a good part was scored by a model that was trained on others. An image counts as an
        anomaly from a score of {percent(threshold, 0)} on; a higher threshold gives fewer false alarms and finds fewer defects.{" "}
        <Anchor component={Link} href={`${location}?${search.toString()}`} underline="always">
          Show the images
        </Anchor>
      </Text>
      <Scores images={scored} withDefects={figures.defects > 0} />
    </Stack>
  );
}

function Scores({ images, withDefects }: { images: readonly ScoredImage[]; withDefects: boolean }) {
  const ranges = scoreRanges(images);
  const most = Math.max(1, ...ranges.flatMap((range) => [range.good, range.defects]));
  return (
    <section aria-labelledby="scores">
      <Title order={2} size="h5" id="scores" mb="xs">
        Scores
      </Title>
      <Table.ScrollContainer minWidth={420}>
        <Table verticalSpacing={4} maw={700} aria-labelledby="scores">
          <Table.Thead>
            <Table.Tr>
              <Table.Th scope="col">Score</Table.Th>
              <Table.Th scope="col">Good parts</Table.Th>
              {withDefects && <Table.Th scope="col">Known defects</Table.Th>}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {ranges.map(({ from, to, good, defects }) => (
              <Table.Tr key={from}>
                <Table.Th scope="row" fw={400}>
                  {percent(from, 0)} to {percent(to, 0)}
                </Table.Th>
                <Table.Td>
                  <Amount value={good} most={most} color="green" />
                </Table.Td>
                {withDefects && (
                  <Table.Td>
                    <Amount value={defects} most={most} color="red" />
                  </Table.Td>
                )}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </section>
  );
}

function Amount({ value, most, color }: { value: number; most: number; color: string }) {
  return (
    <div className={styles.cell}>
      <span className={styles.number}>{value.toLocaleString()}</span>
      <svg className={styles.bar} viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden>
        <rect width={100} height={6} className={styles.track} />
        <rect width={(100 * value) / most} height={6} fill={`var(--mantine-color-${color}-6)`} />
      </svg>
    </div>
  );
}
