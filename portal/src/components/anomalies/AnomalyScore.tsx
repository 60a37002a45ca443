import { Badge, Group, Stack, Text } from "@mantine/core";
import { IconAlertTriangle, IconCheck } from "@tabler/icons-react";
import { percent } from "../../lib/format";
import styles from "./anomalies.module.css";

interface Props {
  /** Of an anomaly, 0 to 1. */
  probability: number;
  threshold: number;
}

/** Whether an image counts as an anomaly: the score beside the threshold. */
export function AnomalyScore({ probability, threshold }: Props) {
  const isAnomaly = probability >= threshold;
  return (
    <Stack gap={6} role="group" aria-label="Anomaly score">
      <Group gap="xs">
        <Badge
          size="lg"
          variant="light"
          color={isAnomaly ? "red" : "green"}
          tt="none"
          leftSection={isAnomaly ? <IconAlertTriangle size={16} /> : <IconCheck size={16} />}
        >
          {isAnomaly ? "Anomaly" : "Good"}
        </Badge>
        <Text size="sm">
          Score {percent(probability)}, threshold {percent(threshold, 0)}
        </Text>
      </Group>
      <svg className={styles.scale} viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden>
        <rect className={styles.ground} y="2" width="100" height="6" />
        <rect className={isAnomaly ? styles.anomaly : styles.good} y="2" width={probability * 100} height="6" />
        <rect className={styles.mark} x={Math.min(99.2, threshold * 100)} width="0.8" height="10" />
      </svg>
    </Stack>
  );
}
