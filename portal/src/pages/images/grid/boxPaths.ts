interface Region {
  tagId: string;
  left: number;
  top: number;
  width: number;
  height: number;
}

const MOST_TAGS = 3;

/**
 * The boxes of an image as one path for each tag, in pixels of the image: few elements, also with 300 boxes.
 * From the fourth tag on, boxes are drawn with the third.
 */
export function boxPaths(regions: readonly Region[], width: number, height: number): { tagId: string; path: string }[] {
  const paths = new Map<string, string>();
  const tagIds = [...new Set(regions.map((region) => region.tagId))].slice(0, MOST_TAGS);
  for (const region of regions) {
    const tagId = tagIds.includes(region.tagId) ? region.tagId : (tagIds.at(-1) ?? region.tagId);
    const [left, top, right, bottom] = [
      region.left * width,
      region.top * height,
      (region.left + region.width) * width,
      (region.top + region.height) * height,
    ].map((value) => Math.round(value));
    paths.set(tagId, `${paths.get(tagId) ?? ""}M${left} ${top}H${right}V${bottom}H${left}Z`);
  }
  return [...paths].map(([tagId, path]) => ({ tagId, path }));
}
