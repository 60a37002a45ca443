/** Rows of the table of tags: figures, number of images, and which tags have too few. */
import type { Performance } from "../../../api/queries/performance";
import type { TagOutcomes } from "../../../api/queries/insight";
import type { Tag } from "../../../api/queries/tags";
import { compareNames } from "../../../lib/names";

export interface TagRow {
  id: string;
  name: string;
  /** Null for a tag that is not predicted at the threshold. */
  precision: number | null;
  recall: number;
  averagePrecision: number | null;
  /** Images with the tag when the iteration was trained; null for a tag that is not listed any more. */
  imageCount: number | null;
  warning: string | null;
}

/** Below it, one image more or less changes the figures of a tag by several percent. */
const FEW_IMAGES = 30;
/** Share of the images of the largest tag below which training favors the others. */
const SMALL_SHARE = 0.25;

/** Ids of the tags that are predicted for any image at a threshold. */
export function predictedTags(perTag: readonly Pick<TagOutcomes, "tagId" | "truePositives" | "falsePositives">[]): Set<string> {
  return new Set(perTag.filter((each) => each.truePositives + each.falsePositives > 0).map((each) => each.tagId));
}

/** predicted: ids of the tags with predictions; undefined while it is unknown. */
export function tagRows(performance: Performance, tags: readonly Tag[], predicted?: ReadonlySet<string>): TagRow[] {
  const counts = new Map(tags.map((tag) => [tag.id, tag.imageCount]));
  const most = Math.max(0, ...counts.values());
  return performance.perTagPerformance.map((each) => {
    const imageCount = counts.get(each.id) ?? null;
    return {
      id: each.id,
      name: each.name,
      precision: predicted?.has(each.id) === false ? null : each.precision,
      recall: each.recall,
      averagePrecision: each.averagePrecision,
      imageCount,
      warning: imageCount === null ? null : warningOf(imageCount, most),
    };
  });
}

function warningOf(imageCount: number, most: number): string | null {
  if (imageCount < most * SMALL_SHARE) return "Far fewer images than other tags: training favors those";
  if (imageCount < FEW_IMAGES) return `Fewer than ${FEW_IMAGES} images: the figures are rough`;
  return null;
}

const COLUMNS = ["name", "precision", "recall", "averagePrecision", "imageCount"] as const;
export type Column = (typeof COLUMNS)[number];

interface Sorting {
  column: Column;
  descending: boolean;
}

/** A sorting of the address: "recall", or "-recall" for falling values. */
export function sortingOf(text: string | null): Sorting {
  const descending = text?.startsWith("-") ?? false;
  const column = COLUMNS.find((each) => each === text?.replace(/^-/, ""));
  return column ? { column, descending } : { column: "name", descending: false };
}

export function sortingText({ column, descending }: Sorting): string {
  return descending ? `-${column}` : column;
}

/** Rows in an order; rows without a value are last in both directions. */
export function sorted(rows: readonly TagRow[], { column, descending }: Sorting): TagRow[] {
  const direction = descending ? -1 : 1;
  return rows.toSorted((a, b) => {
    const [left, right] = [a[column], b[column]];
    if (left === null || right === null) return Number(left === null) - Number(right === null);
    const order =
      typeof left === "string" || typeof right === "string"
        ? compareNames(String(left), String(right))
        : left - right;
    return order === 0 ? compareNames(a.name, b.name) : order * direction;
  });
}
