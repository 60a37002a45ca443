import { RingProgress, Text, type MantineColor } from "@mantine/core";
import { percent } from "../../../lib/format";
import styles from "./performance.module.css";

interface Props {
  name: string;
  /** 0 to 1; null where it is not defined. */
  value: number | null;
  /** Standard deviation over the folds of the cross-validation, 0 to 1. */
  deviation?: number;
  color: MantineColor;
  text: string;
}

export function FigureRing({ name, value, deviation = 0, color, text }: Props) {
  return (
    <div className={styles.figure} role="group" aria-label={name}>
      <RingProgress
        size={104}
        thickness={9}
        sections={[{ value: (value ?? 0) * 100, color: `${color}.6` }]}
        label={
          <Text ta="center" fw={600} size="md">
            {percent(value)}
          </Text>
        }
      />
      <div>
        <Text fw={600}>{name}</Text>
        {deviation > 0 && <span className={styles.value}>± {(deviation * 100).toFixed(1)} points</span>}
        <Text size="xs" c="dimmed">
          {text}
        </Text>
      </div>
    </div>
  );
}
