import type { CellOf, Outcome } from "../../api/queries/insight";
import styles from "./testsets.module.css";

interface Props {
  number: number;
  label: string;
  cell: { tagId: string; outcome: Outcome };
  chosen: CellOf | null;
  onChoose: (cell: CellOf) => void;
}

/** A number of images that leads to them; 0 leads nowhere. */
export function OutcomeButton({ number, label, cell, chosen, onChoose }: Props) {
  if (number === 0) return "0";
  const isChosen = chosen !== null && "tagId" in chosen && chosen.tagId === cell.tagId && chosen.outcome === cell.outcome;
  return (
    <button type="button" className={styles.number} aria-pressed={isChosen} aria-label={label} onClick={() => onChoose(cell)}>
      {number.toLocaleString()}
    </button>
  );
}
