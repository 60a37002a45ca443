import { compareNames } from "./names";

/** Compares by the names of tags. */
export function byTagName(a: { tagName: string }, b: { tagName: string }): number {
  return compareNames(a.tagName, b.tagName);
}

interface OfTags {
  tags: { id: string; name: string }[];
  perTag: { tagName: string }[];
  /** A row and a column for each tag, and one more for "nothing"; null where images can have several tags. */
  counts: number[][] | null;
}

/** The result with its tags in the order of their names, as other lists of tags are. */
export function withTagsByName<Result extends OfTags>(result: Result): Result {
  const order = result.tags.map((_, index) => index).toSorted((a, b) => compareNames(result.tags[a]?.name ?? "", result.tags[b]?.name ?? ""));
  const arranged = <Item>(items: readonly Item[]) => [
    ...order.flatMap((index) => items.slice(index, index + 1)),
    ...items.slice(result.tags.length),
  ];
  return {
    ...result,
    tags: arranged(result.tags),
    perTag: result.perTag.toSorted(byTagName),
    counts: result.counts && arranged(result.counts).map(arranged),
  };
}
