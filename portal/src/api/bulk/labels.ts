/** Changes of the tags of many images: what to request, and what undoes it. Without requests: `apply.ts` makes them. */
import type { Image } from "../queries/images";
import { inBatches } from "./batches";

export interface RegionBox {
  tagId: string;
  left: number;
  top: number;
  width: number;
  height: number;
}

/** An image before a change. */
export interface Target {
  id: string;
  tagIds: readonly string[];
  regions: readonly RegionBox[];
}

export interface LabelChange {
  imageId: string;
  before: readonly string[];
  after: readonly string[];
  /** Boxes to add after the tags: those that the reverse of this change took. */
  boxes: readonly RegionBox[];
  /** Boxes that are taken away: with the tags that are taken off, and single ones of tags that stay. */
  lost: readonly RegionBox[];
}

export interface TagRules {
  isMulticlass: boolean;
  /** Ids of the tags of type Negative, which must be alone on their image. */
  negative: ReadonlySet<string>;
}

export function targetOf(image: Image): Target {
  return {
    id: image.id,
    tagIds: (image.tags ?? []).map((tag) => tag.tagId),
    regions: (image.regions ?? []).map(({ tagId, left, top, width, height }) => ({ tagId, left, top, width, height })),
  };
}

/** Give each image the tag; tags that cannot stay beside it are taken off. Images that have it are left out. */
export function tagging(targets: readonly Target[], tagId: string, rules: TagRules): LabelChange[] {
  const alone = rules.isMulticlass || rules.negative.has(tagId);
  return targets
    .filter((target) => !target.tagIds.includes(tagId))
    .map((target) => {
      const kept = alone ? [] : target.tagIds.filter((id) => !rules.negative.has(id));
      return change(target, [...kept, tagId]);
    });
}

/** Take the tags off each image, with their boxes. Images without them are left out. */
export function untagging(targets: readonly Target[], tagIds: readonly string[]): LabelChange[] {
  return targets
    .filter((target) => target.tagIds.some((id) => tagIds.includes(id)))
    .map((target) => change(target, target.tagIds.filter((id) => !tagIds.includes(id))));
}

function change(target: Target, after: string[]): LabelChange {
  const lost = target.regions.filter((region) => !after.includes(region.tagId));
  return { imageId: target.id, before: target.tagIds, after, boxes: [], lost };
}

/** The change that undoes a change. */
export function reversed(each: LabelChange): LabelChange {
  return { imageId: each.imageId, before: each.after, after: each.before, boxes: each.lost, lost: each.boxes };
}

interface Pair {
  imageId: string;
  tagId: string;
}

export function addedPairs(changes: readonly LabelChange[]): Pair[] {
  return changes.flatMap(({ imageId, before, after }) =>
    after.filter((tagId) => !before.includes(tagId)).map((tagId) => ({ imageId, tagId })),
  );
}

const MOST_TAGS = 20;

interface Removal {
  imageIds: string[];
  tagIds: string[];
}

/**
 * Requests that take off the tags: each takes all of its tags off all of its images. Where that takes no tag too
 * many, one request is for all images together; otherwise there is one for each set of tags.
 */
export function removals(changes: readonly LabelChange[]): Removal[] {
  const off = changes
    .map(({ imageId, before, after }) => ({ imageId, before, tagIds: before.filter((id) => !after.includes(id)) }))
    .filter(({ tagIds }) => tagIds.length > 0);
  const union = new Set(off.flatMap(({ tagIds }) => tagIds));
  const isSafe = off.every(({ before, tagIds }) => before.every((id) => !union.has(id) || tagIds.includes(id)));
  const groups = new Map<string, Removal>();
  for (const { imageId, tagIds } of off) {
    const ids = isSafe ? [...union] : tagIds;
    const key = ids.toSorted().join();
    const group = groups.get(key) ?? { imageIds: [], tagIds: ids };
    group.imageIds.push(imageId);
    groups.set(key, group);
  }
  return [...groups.values()].flatMap(({ imageIds, tagIds }) =>
    inBatches(tagIds, MOST_TAGS).map((part) => ({ imageIds, tagIds: part })),
  );
}

/** Replace a tag by another, its boxes included. */
export function replacing(targets: readonly Target[], from: string, into: string): LabelChange[] {
  return targets
    .filter((target) => target.tagIds.includes(from))
    .map((target) => {
      const rest = target.tagIds.filter((id) => id !== from);
      const own = target.regions.filter((region) => region.tagId === from);
      const present = target.regions.filter((region) => region.tagId === into);
      return {
        imageId: target.id,
        before: target.tagIds,
        after: rest.includes(into) ? rest : [...rest, into],
        boxes: own.filter((region) => !present.some((each) => isSamePlace(each, region))).map((region) => ({ ...region, tagId: into })),
        lost: own,
      };
    });
}

/** Single boxes to delete, whose tags stay on their images: by the ids of the images. */
export function boxesOff(changes: readonly LabelChange[]): Map<string, RegionBox[]> {
  const off = changes.map(({ imageId, after, lost }) => [imageId, lost.filter((box) => after.includes(box.tagId))] as const);
  return new Map(off.filter(([, boxes]) => boxes.length > 0));
}

/** Whether two boxes are the same, but for their tags. */
export function isSamePlace(one: Omit<RegionBox, "tagId">, other: Omit<RegionBox, "tagId">): boolean {
  return one.left === other.left && one.top === other.top && one.width === other.width && one.height === other.height;
}

/** Whether an image is as the change makes it. */
export function isMade({ before, after, boxes, lost }: LabelChange, image: Target): boolean {
  const has = (box: RegionBox) => image.regions.some((region) => region.tagId === box.tagId && isSamePlace(box, region));
  return (
    after.every((id) => image.tagIds.includes(id)) &&
    !before.some((id) => !after.includes(id) && image.tagIds.includes(id)) &&
    boxes.every(has) &&
    !lost.some(has)
  );
}
