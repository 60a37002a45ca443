/** Differences of figures in words and signs, so that color is not the only sign. */

export const FIGURES = [
  ["precision", "Precision"],
  ["recall", "Recall"],
  ["averagePrecision", "AP"],
] as const;

type Direction = "better" | "worse" | "same" | "unknown";

/** A difference of fractions in percentage points: "▲ +3.2", "▼ −1.0", "no change". */
export function difference(value: number | undefined): { text: string; direction: Direction } {
  if (value === undefined) return { text: "not comparable", direction: "unknown" };
  const points = Math.round(value * 1000) / 10;
  if (points === 0) return { text: "no change", direction: "same" };
  return points > 0
    ? { text: `▲ +${points.toFixed(1)}`, direction: "better" }
    : { text: `▼ −${Math.abs(points).toFixed(1)}`, direction: "worse" };
}
