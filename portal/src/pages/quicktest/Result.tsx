import { Alert, Group, Text } from "@mantine/core";
import { useMemo, useState } from "react";
import { Link } from "wouter";
import { inWords } from "../../api/errors";
import { AnomalyScore } from "../../components/anomalies/AnomalyScore";
import { anomalyOf } from "../../components/anomalies/score";
import { BoxedImage, type PredictedBox } from "../../components/boxed/BoxedImage";
import { PredictionTable } from "../../components/boxed/PredictionTable";
import { useHeatMapLayer } from "../../components/heatmap/useHeatMapLayer";
import { Loading } from "../../components/states";
import type { Outcome, TestedImage } from "./tests";
import { useObjectUrl } from "../../components/useObjectUrl";
import classes from "./quicktest.module.css";

interface Props {
  projectId: string;
  iterationId: string;
  image: TestedImage;
  query: { data?: Outcome | undefined; error: unknown } | undefined;
  /** Boxes of a lower probability are not shown; images of a lower score are no anomalies. */
  threshold: number;
  isDetection: boolean;
  isAnomaly: boolean;
}

/** One tested image with what the model predicts. */
export function Result({ projectId, iterationId, image, query, threshold, isDetection, isAnomaly }: Props) {
  const url = useObjectUrl("file" in image.source ? image.source.file : null);
  const shown = url ?? query?.data?.imageUri;
  const [current, setCurrent] = useState<string | null>(null);
  const [unreadable, setUnreadable] = useState(false);
  const predictions = useMemo(
    () =>
      (query?.data?.predictions ?? [])
        .map((each, index) => ({ ...each, key: String(index) }))
        .filter(({ probability }) => !isDetection || probability >= threshold),
    [query?.data, threshold, isDetection],
  );
  const boxes = useMemo<PredictedBox[]>(
    () => predictions.flatMap((each) => (each.boundingBox ? [{ ...each, ...each.boundingBox }] : [])),
    [predictions],
  );

  const anomaly = isAnomaly ? anomalyOf(predictions) : undefined;
  // Of an image that was given by its address, the stored one.
  const stored = query?.data?.imageUri === undefined ? null : { predictionId: query.data.id };
  const { layer, controls } = useHeatMapLayer({
    projectId,
    iterationId,
    image: "file" in image.source ? { file: image.source.file } : stored,
    src: shown,
    name: image.name,
    tags: predictions,
    isDetection,
    isAnomaly,
  });

  return (
    <div className={classes.parts}>
      <div className={classes.image}>
        {shown && !unreadable ? (
          <BoxedImage
            src={shown}
            alt={image.name}
            boxes={boxes}
            current={current}
            onCurrent={setCurrent}
            onError={() => setUnreadable(true)}
          >
            {layer}
          </BoxedImage>
        ) : (
          <Text c="dimmed" ta="center" p="xl">
            {"url" in image.source ? "The image is shown here if the predictions are kept: this page loads nothing from other sites." : "The browser cannot show this file."}
          </Text>
        )}
      </div>
      <div className={classes.table}>
        <Group justify="space-between" mb="xs" wrap="nowrap">
          <Text fw={600} className={classes.cut} title={image.name}>
            <bdi>{image.name}</bdi>
          </Text>
          {query?.data && (
            <Text size="sm" component={Link} href={`/projects/${projectId}/predictions?order=newest`} className={classes.link}>
              All predictions
            </Text>
          )}
        </Group>
        {query?.error ? (
          <Alert color="red" role="alert" title="No prediction">
            {inWords(query.error)}
          </Alert>
        ) : !query?.data ? (
          <Loading label="Predicting" />
        ) : anomaly ? (
          <AnomalyScore probability={anomaly.probability} threshold={threshold} />
        ) : predictions.length === 0 ? (
          <Text c="dimmed">Nothing was found with at least this probability.</Text>
        ) : (
          <PredictionTable predictions={predictions} current={current} onCurrent={setCurrent} />
        )}
        {query?.data && controls}
      </div>
    </div>
  );
}
