/** Differences of figures in words and signs, so that color is not the only sign. */

export const FIGURES = [
  ["precision", "Precision"],
  ["recall", "Recall"],
  ["averagePrecision", "AP"],
] as const;

type Direction = "better" | "worse" | "same" | "unknown";

/** A difference of fractions in percentage points: "▲ +3.2", "▼ −1.0", "no change". lessIsBetter: of errors. */
export function difference(value: number | undefined, lessIsBetter = false): { text: string; direction: Direction } {
  if (value === undefined) return { text: "not comparable", direction: "unknown" };
  const points = Math.round(value * 1000) / 10;
  if (points === 0) return { text: "no change", direction: "same" };
  const text = points > 0 ? `▲ +${points.toFixed(1)}` : `▼ −${Math.abs(points).toFixed(1)}`;
  return { text, direction: points > 0 === lessIsBetter ? "worse" : "better" };
}
