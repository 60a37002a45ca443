/** Cells of a confusion matrix: in the address, in words, and their shade. */
import type { CellOf, Outcome } from "../../api/queries/insight";

/** In place of a tag: nothing there, or nothing predicted. */
const NOTHING = "none";
export const OUTCOMES: readonly { id: Outcome; field: "truePositives" | "falsePositives" | "falseNegatives" | "trueNegatives"; label: string; text: string }[] = [
  { id: "TruePositive", field: "truePositives", label: "Found", text: "has the tag, and it is predicted" },
  { id: "FalsePositive", field: "falsePositives", label: "False alarms", text: "is predicted, but not there" },
  { id: "FalseNegative", field: "falseNegatives", label: "Missed", text: "is there, but not predicted" },
  { id: "TrueNegative", field: "trueNegatives", label: "Correctly not predicted", text: "is neither there nor predicted" },
];

export function cellText(cell: CellOf): string {
  return "outcome" in cell ? `${cell.tagId}~${cell.outcome}` : `${cell.actual}.${cell.predicted}`;
}

/** The cell that a parameter of the address names; null when it names no cell. */
export function cellOfText(text: string | null): CellOf | null {
  const outcome = /^([0-9a-f-]{36})~(\w+)$/.exec(text ?? "");
  const named = OUTCOMES.find((each) => each.id === outcome?.[2]);
  if (outcome?.[1] && named) return { tagId: outcome[1], outcome: named.id };
  const pair = /^([0-9a-f-]{36}|none)\.([0-9a-f-]{36}|none)$/.exec(text ?? "");
  return pair?.[1] && pair[2] ? { actual: pair[1], predicted: pair[2] } : null;
}

interface Axis {
  id: string;
  name: string;
}

/** What of a result the matrix is made of. counts: a row and a column for each tag, and one more for "nothing". */
export interface Matrix {
  type: string | null;
  tags: readonly Axis[];
  counts: number[][] | null;
}

/** Rows (what is there) and columns (what is predicted), with "nothing" at the end of both. */
export function axes(matrix: Matrix): { rows: Axis[]; columns: Axis[] } {
  const detects = matrix.type === "ObjectDetection";
  const tags = matrix.tags.map(({ id, name }) => ({ id, name }));
  const nothing = { id: NOTHING, name: detects ? "Background" : "No tag" };
  return {
    rows: [...tags, nothing],
    columns: [...tags, { id: NOTHING, name: detects ? "Not found" : "No prediction" }],
  };
}

/** Rows and columns without the row for "no tag" of classifiers, which is always empty. */
export function isEmptyRow(matrix: Matrix, row: number): boolean {
  return row === matrix.tags.length && (matrix.counts?.[row] ?? []).every((count) => count === 0);
}

/** The order of the images of a cell in a sentence, and why it is so. */
export function orderText(cell: CellOf, isDetection: boolean): string {
  const isPredicted = "outcome" in cell ? cell.outcome === "TruePositive" || cell.outcome === "FalsePositive" : cell.predicted !== NOTHING;
  const isRight = "outcome" in cell ? cell.outcome === "TruePositive" : cell.actual === cell.predicted;
  if (!isPredicted && isDetection) return "The newest images come first.";
  if (!isPredicted) return "Images with the highest probability below the threshold come first.";
  if (isRight) return "The most confident predictions come first.";
  return "The most confident predictions come first: many of them are wrong labels, not wrong predictions.";
}

/** The share of a row that is in a cell, 0 to 1. */
export function share(counts: readonly number[], column: number): number {
  const whole = counts.reduce((sum, count) => sum + count, 0);
  return whole === 0 ? 0 : (counts[column] ?? 0) / whole;
}

/**
 * The cell with a number that an arrow key leads to, or null: left and right within the row; up and down to the next
 * row that has one, at the nearest column. So all of them can be reached, also where only the diagonal has numbers.
 */
export function nextCell(counts: readonly (readonly number[])[], row: number, column: number, down: number, right: number): [number, number] | null {
  const isFilled = (r: number, c: number) => (counts[r]?.[c] ?? 0) > 0;
  const columns = [...(counts[row] ?? []).keys()];
  if (down === 0) {
    const next = columns.filter((c) => (c - column) * right > 0 && isFilled(row, c)).toSorted((a, b) => (a - b) * right)[0];
    return next === undefined ? null : [row, next];
  }
  for (let r = row + down; counts[r]; r += down) {
    const nearest = columns.filter((c) => isFilled(r, c)).toSorted((a, b) => Math.abs(a - column) - Math.abs(b - column))[0];
    if (nearest !== undefined) return [r, nearest];
  }
  return null;
}

/** A cell in a sentence. */
export function cellTitle(cell: CellOf, name: (id: string) => string, detects: boolean): string {
  if ("outcome" in cell) return `'${name(cell.tagId)}' ${OUTCOMES.find((each) => each.id === cell.outcome)?.text ?? ""}`;
  const { actual, predicted } = cell;
  if (actual === NOTHING) return detects ? `'${name(predicted)}' predicted where no object is marked` : `Without a tag, predicted as '${name(predicted)}'`;
  if (predicted === NOTHING) return detects ? `'${name(actual)}' not found` : `'${name(actual)}' without a prediction`;
  return actual === predicted ? `'${name(actual)}' predicted correctly` : `'${name(actual)}' predicted as '${name(predicted)}'`;
}
