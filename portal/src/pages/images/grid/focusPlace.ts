/**
 * Where the focus is after a list has changed.
 *
 * `before`: the ids up to the focused image, which is the last of them. `after`: those of the list now. The focus
 * stays at its image; where that one has left the list, as by a tag in the list of untagged images, it is at the first
 * one after those that remain before it.
 */
export function focusPlace(before: readonly string[], after: readonly string[]): number {
  for (const id of before.toReversed()) {
    const place = after.indexOf(id);
    if (place >= 0) return id === before.at(-1) ? place : place + 1;
  }
  return 0;
}
