/** Regions of an image that correspond to boxes of an evaluation. */
import type { RegionBox } from "../../../api/bulk/labels";
import type { Image } from "../../../api/queries/images";
import type { ImageOfCell } from "../../../api/queries/insight";

interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** An object and the box that matches it; either may be missing. */
export interface Pair {
  object: { tagId: string; tagName: string; boundingBox: Box } | null;
  prediction: { tagId: string; tagName: string; probability: number; boundingBox?: Box | null } | null;
}

type Region = NonNullable<Image["regions"]>[number];
/** Evaluations have single precision. */
const TOLERANCE = 1e-4;

/** The region of an image with this tag and box; undefined when it was changed since. */
export function currentRegion(image: Image, tagId: string, box: Box): Region | undefined {
  return image.regions?.find(
    (region) =>
      region.tagId === tagId &&
      Math.abs(region.left - box.left) + Math.abs(region.top - box.top) + Math.abs(region.width - box.width) + Math.abs(region.height - box.height) < TOLERANCE * 4,
  );
}

/** A box of the tag, without what else belongs to it, inside the image. */
export function boxOfTag({ left, top, width, height }: Box, tagId: string): RegionBox {
  return { tagId, left, top, width: Math.min(width, 1 - left), height: Math.min(height, 1 - top) };
}

/** Whether the labels of an image are others now than those that it was evaluated with. */
export function isChanged(evaluated: Pick<ImageOfCell, "tags" | "regions">, current: Image): boolean {
  const ids = (tags: readonly { tagId: string }[]) => tags.map((tag) => tag.tagId).toSorted().join();
  return (
    ids(evaluated.tags) !== ids(current.tags ?? []) ||
    evaluated.regions.length !== (current.regions?.length ?? 0) ||
    !evaluated.regions.every((region) => currentRegion(current, region.tagId, region))
  );
}
