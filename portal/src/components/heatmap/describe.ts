/** Heat maps in words, for people who do not see them. */
import type { HeatMap } from "../../api/queries/heatMap";
import { percent } from "../../lib/format";

type Values = Pick<HeatMap, "values" | "rows" | "columns" | "boundingBox" | "method">;

/** Values from this share of the greatest on are called strong. */
const STRONG = 0.5;

/** A third of a side: the first, the middle or the last. */
function third(fraction: number, names: readonly [string, string, string]): string {
  return fraction < 1 / 3 ? names[0] : fraction < 2 / 3 ? names[1] : names[2];
}

/** "upper left", "center", "right": where in the image a point is, in fractions of its sides. */
export function placeInWords(x: number, y: number): string {
  const vertical = third(y, ["upper ", "", "lower "]);
  const horizontal = third(x, ["left", "middle", "right"]);
  return vertical === "" && horizontal === "middle" ? "center" : vertical + horizontal;
}

/** Where the greatest value is and how much of the image is strong, in a sentence or two. */
export function describe(map: Values): string {
  let greatest = { value: -1, row: 0, column: 0 };
  map.values.forEach((line, row) =>
    line.forEach((value, column) => {
      if (value > greatest.value) greatest = { value, row, column };
    }),
  );
  const { left, top, width, height } = map.boundingBox;
  const place = placeInWords(
    left + (width * (greatest.column + 0.5)) / map.columns,
    top + (height * (greatest.row + 0.5)) / map.rows,
  );
  if (greatest.value <= 0) return "No place of the image speaks for the tag.";
  const cells = map.values.flat();
  const limit = map.method === "AnomalyProbability" ? STRONG : STRONG * greatest.value;
  const strong = (cells.filter((value) => value >= limit).length / cells.length) * width * height;
  if (map.method === "AnomalyProbability")
    return strong > 0
      ? `Most probable at the ${place}: ${percent(greatest.value)}. ${percent(strong, 0)} of the image has 50% or more.`
      : `Most probable at the ${place}: ${percent(greatest.value)}. No place has 50% or more.`;
  return `Strongest at the ${place}. ${percent(strong, 0)} of the image has half of that or more.`;
}
