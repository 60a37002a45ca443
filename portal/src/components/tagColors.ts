/**
 * Color and mark of a tag. The tags of a project have different colors as long as there are enough of them; the mark
 * (the first letters of the name) tells tags apart where colors do not. Both are the same on every page.
 */
const HUES = ["blue", "orange", "teal", "grape", "lime", "pink", "cyan", "yellow", "indigo", "green", "red", "violet"] as const;
type Hue = (typeof HUES)[number];

const assigned = new Map<string, Hue>();

/** Gives the tags of a project their colors: each its own one, or the next one that no other tag has. */
export function assignHues(tagIds: readonly string[]): void {
  const free = new Set<Hue>();
  // By id, so that the order of the tags in the project does not matter.
  for (const id of tagIds.toSorted()) {
    if (free.size === 0) HUES.forEach((hue) => free.add(hue));
    const start = place(id);
    const hue = [...HUES.slice(start), ...HUES.slice(0, start)].find((each) => free.has(each)) ?? "blue";
    free.delete(hue);
    assigned.set(id, hue);
  }
}

/** The color that was assigned; that of the id alone for tags that the project does not have any more. */
export function tagHue(tagId: string): Hue {
  return assigned.get(tagId) ?? HUES[place(tagId)] ?? "blue";
}

function place(tagId: string): number {
  let sum = 0;
  for (const character of tagId) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) >>> 0;
  return sum % HUES.length;
}

export function tagMark(name: string): string {
  return Array.from(name.trim()).slice(0, 2).join("").toUpperCase();
}

/** Color of the lines of a box, with enough contrast on photographs and on both backgrounds. */
export function tagStroke(tagId: string): string {
  return `var(--mantine-color-${tagHue(tagId)}-5)`;
}
