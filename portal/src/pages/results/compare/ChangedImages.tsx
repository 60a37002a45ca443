import { Text } from "@mantine/core";
import { localUri } from "../../../api/client";
import type { ChangedImage } from "../../../api/queries/testSets";
import { inspectionText } from "../../../components/anomalies/score";
import { percent } from "../../../lib/format";
import styles from "./compare.module.css";

interface Props {
  images: readonly ChangedImage[];
  threshold: number;
  /** Of anomaly detection: the tag of the anomalies. */
  anomalyTagId: string | undefined;
}

/** Images with their labels, and the most probable tag, or the score of anomaly detection, before and after. */
export function ChangedImages({ images, threshold, anomalyTagId }: Props) {
  const predicted = (predictions: ChangedImage["predictions"]) =>
    anomalyTagId === undefined ? best(predictions) : inspectionText(predictions, anomalyTagId, threshold);
  if (images.length === 0) return <Text c="dimmed">None at this threshold.</Text>;
  return (
    <ul className={styles.cards}>
      {images.map((image) => (
        <li key={image.id} className={styles.card}>
          <span className={styles.frame}>
            <img src={localUri(image.thumbnailUri)} alt="" loading="lazy" />
          </span>
          <Line heading="Label" text={image.tags.map((tag) => tag.tagName).join(", ") || "none"} />
          <Line heading="Before" text={predicted(image.otherPredictions)} />
          <Line heading="After" text={predicted(image.predictions)} />
        </li>
      ))}
    </ul>
  );
}

function Line({ heading, text }: { heading: string; text: string }) {
  return (
    <span className={styles.line} title={text}>
      <span className={styles.heading}>{heading}</span> <bdi>{text}</bdi>
    </span>
  );
}

function best(predictions: ChangedImage["predictions"]): string {
  const [first] = predictions.toSorted((a, b) => b.probability - a.probability);
  return first ? `${first.tagName} ${percent(first.probability, 0)}` : "nothing";
}
