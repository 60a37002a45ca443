import { Text } from "@mantine/core";
import { difference } from "./difference";
import styles from "./compare.module.css";

/** A difference of fractions; undefined where it is not defined. */
export function DifferenceText({ value, lessIsBetter = false }: { value: number | undefined; lessIsBetter?: boolean }) {
  const { text, direction } = difference(value, lessIsBetter);
  return (
    <Text span size="sm" className={styles.difference} data-direction={direction}>
      {text}
    </Text>
  );
}
