import type { ComponentProps } from "react";
import styles from "./matrix.module.css";

/** A number of a matrix that leads to its images; 0 leads nowhere. `label`: what the number counts. */
export function CountButton({ number, label, ...rest }: { number: number; label: string } & ComponentProps<"button">) {
  if (number === 0) return <span className={styles.zero}>0</span>;
  return (
    <button type="button" className={styles.number} aria-label={`${number}: ${label}`} {...rest}>
      {number.toLocaleString()}
    </button>
  );
}
