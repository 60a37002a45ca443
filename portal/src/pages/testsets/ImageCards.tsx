import { Button, Center, Group, Modal, Stack, Text } from "@mantine/core";
import { IconCheck, IconX } from "@tabler/icons-react";
import { useState } from "react";
import { localUri } from "../../api/client";
import type { EvaluatedTestImage } from "../../api/queries/testSets";
import { AnomalyScore } from "../../components/anomalies/AnomalyScore";
import { inspectionText } from "../../components/anomalies/score";
import { BoxedImage } from "../../components/boxed/BoxedImage";
import { PredictionTable } from "../../components/boxed/PredictionTable";
import { TagBadge } from "../../components/TagBadge";
import { count, percent } from "../../lib/format";
import styles from "./testsets.module.css";

interface Props {
  images: readonly EvaluatedTestImage[];
  total: number;
  threshold: number;
  /** Of anomaly detection: the tag of the anomalies. */
  anomalyTagId: string | undefined;
  hasMore: boolean;
  isLoading: boolean;
  onMore: () => void;
}

/** Images with their labels and predictions; one opens in full. */
export function ImageCards({ images, total, threshold, anomalyTagId, hasMore, isLoading, onMore }: Props) {
  const [opened, setOpened] = useState<string | null>(null);
  const shown = images.find((each) => each.id === opened);
  return (
    <Stack gap="sm">
      <Text size="sm" c="dimmed" role="status">
        {count(total, "image")}
      </Text>
      <ul className={styles.cards}>
        {images.map((image) => (
          <li key={image.id}>
            <button type="button" className={styles.card} onClick={() => setOpened(image.id)}>
              <span className={styles.frame}>
                <img src={localUri(image.thumbnailUri)} alt="" loading="lazy" />
                <span className={styles.mark} data-right={image.isRight || undefined}>
                  {image.isRight ? <IconCheck size={14} role="img" aria-label="Right" /> : <IconX size={14} role="img" aria-label="Wrong" />}
                </span>
              </span>
              <Line heading="Label" text={namesOf(image.tags.map((tag) => tag.tagName))} />
              <Line heading="Predicted" text={anomalyTagId === undefined ? predictedNames(image, threshold) : inspectionText(image.predictions, anomalyTagId, threshold)} />
            </button>
          </li>
        ))}
      </ul>
      {hasMore && (
        <Center>
          <Button variant="default" loading={isLoading} onClick={onMore}>
            More images
          </Button>
        </Center>
      )}
      <Modal opened={shown !== undefined} onClose={() => setOpened(null)} size="min(1100px, 95vw)" title={shown?.name ?? "Image"} centered>
        {shown && <Full image={shown} threshold={threshold} anomalyTagId={anomalyTagId} />}
      </Modal>
    </Stack>
  );
}

function Line({ heading, text }: { heading: string; text: string }) {
  return (
    <span className={styles.line} title={text}>
      <span className={styles.heading}>{heading}</span> <bdi>{text}</bdi>
    </span>
  );
}

function Full({ image, threshold, anomalyTagId }: { image: EvaluatedTestImage } & Pick<Props, "threshold" | "anomalyTagId">) {
  const [current, setCurrent] = useState<string | null>(null);
  const predictions = image.predictions.map((each, index) => ({ ...each, key: String(index) })).toSorted((a, b) => b.probability - a.probability);
  const anomaly = predictions.find((each) => each.tagId === anomalyTagId);
  const boxes = predictions.flatMap(({ boundingBox, ...each }) =>
    boundingBox && each.probability >= threshold ? [{ ...each, ...boundingBox }] : [],
  );
  return (
    <div className={styles.full}>
      <BoxedImage src={localUri(image.imageUri)} alt={image.name ?? ""} boxes={boxes} current={current} onCurrent={setCurrent} />
      <Stack gap="sm">
        <Group gap={4}>
          <Text size="sm" fw={500}>
            Label
          </Text>
          {image.tags.map((tag) => (
            <TagBadge key={tag.tagId} tagId={tag.tagId} name={tag.tagName} />
          ))}
          {image.tags.length === 0 && <Text size="sm">none</Text>}
        </Group>
        {image.regions.length > 0 && <Text size="sm">{count(image.regions.length, "labeled object")}</Text>}
        {image.alsoInTraining && (
          <Text size="sm" c="dimmed">
            The project has this image, too.
          </Text>
        )}
        {anomaly && <AnomalyScore probability={anomaly.probability} threshold={threshold} />}
        <PredictionTable predictions={predictions} current={current} onCurrent={setCurrent} />
      </Stack>
    </div>
  );
}

function namesOf(names: readonly string[]): string {
  return names.length > 0 ? [...new Set(names)].join(", ") : "none";
}

/** The predicted tags at the threshold with the highest probability of each. */
function predictedNames(image: EvaluatedTestImage, threshold: number): string {
  const best = new Map<string, number>();
  for (const { tagName, probability } of image.predictions)
    if (probability >= threshold) best.set(tagName, Math.max(best.get(tagName) ?? 0, probability));
  const texts = [...best].toSorted((a, b) => b[1] - a[1]).map(([name, probability]) => `${name} ${percent(probability, 0)}`);
  return texts.length > 0 ? texts.join(", ") : "none";
}
