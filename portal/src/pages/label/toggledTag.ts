/** The tags of an image after one was chosen. A Negative tag is alone on its image; so is any tag where `single`. */
export function toggledTag(
  tagIds: readonly string[],
  chosen: string,
  { single, isNegative }: { single: boolean; isNegative: (tagId: string) => boolean },
): string[] {
  if (tagIds.includes(chosen)) return tagIds.filter((each) => each !== chosen);
  if (single || isNegative(chosen)) return [chosen];
  return [...tagIds.filter((each) => !isNegative(each)), chosen];
}
