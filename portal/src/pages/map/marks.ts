/** Marks of the map: a tag has a shape and a color, so that neither is needed to tell tags apart. */
import type { Tag } from "../../api/queries/tags";
import { tagHue } from "../../components/tagColors";

export interface Mark {
  /** A path of SVG in a square from -6 to 6. */
  path: string;
  shape: string;
  /** A custom property with the color. */
  color: string;
}

const SHAPES: readonly { shape: string; path: string }[] = [
  { shape: "circle", path: "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0" },
  { shape: "square", path: "M-4.4 -4.4h8.8v8.8h-8.8z" },
  { shape: "triangle", path: "M0 -5.6L5.4 4.4H-5.4z" },
  { shape: "diamond", path: "M0 -6L5 0L0 6L-5 0z" },
  { shape: "plus", path: "M-1.8 -5.4h3.6v3.6h3.6v3.6h-3.6v3.6h-3.6v-3.6h-3.6v-3.6h3.6z" },
  { shape: "triangle upside down", path: "M0 5.6L5.4 -4.4H-5.4z" },
  { shape: "hexagon", path: "M-5.6 0L-2.8 -4.9H2.8L5.6 0L2.8 4.9H-2.8z" },
];
export const UNTAGGED: Mark = {
  shape: "ring",
  path: "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0M-2.4 0a2.4 2.4 0 1 1 4.8 0a2.4 2.4 0 1 1 -4.8 0",
  color: "--mantine-color-dimmed",
};

/** The marks of the tags, in their order: neighbors in the list have different shapes. */
export function marksOf(tags: readonly Pick<Tag, "id">[]): Map<string, Mark> {
  return new Map(
    tags.map(({ id }, index) => {
      const { shape, path } = SHAPES[index % SHAPES.length] ?? { shape: "circle", path: "" };
      return [id, { shape, path, color: `--mantine-color-${tagHue(id)}-6` }];
    }),
  );
}

/** The mark of an image: that of its first tag. */
export function markOf(tagIds: readonly string[], marks: ReadonlyMap<string, Mark>): Mark {
  return (tagIds[0] !== undefined && marks.get(tagIds[0])) || UNTAGGED;
}
