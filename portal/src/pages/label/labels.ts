/** The labels of one image: boxes with tags, or tags; what differs between two versions, and merging them. */
import type { Schemas } from "../../api/client";
import { fromRegion, type Box, type Size } from "./geometry";

/** A box on the page. `key` stays the same when the box is moved, tagged or saved; `tagId` is null until chosen. */
export interface LabelBox {
  key: string;
  tagId: string | null;
  box: Box;
}

/** What a person sees and edits. Detection uses `boxes`, classification uses `tagIds`. */
export interface Labels {
  boxes: readonly LabelBox[];
  tagIds: readonly string[];
}

/** A region on the server. Several can have the same key while a changed box replaces the old one. */
export interface StoredBox {
  regionId: string;
  key: string;
  tagId: string;
  box: Box;
}

/** What the server has, as last read. */
export interface Stored {
  boxes: readonly StoredBox[];
  tagIds: readonly string[];
}

export const NO_LABELS: Labels = { boxes: [], tagIds: [] };

export function sameBox(one: Box, other: Box, tolerance = 0): boolean {
  return (["x", "y", "width", "height"] as const).every((side) => Math.abs(one[side] - other[side]) <= tolerance);
}

const same = (one: { tagId: string | null; box: Box }, other: { tagId: string | null; box: Box }, tolerance = 0) =>
  one.tagId === other.tagId && sameBox(one.box, other.box, tolerance);

/** The labels of an image of a response, and the same as stored. */
export function ofImage(image: Schemas["Image"], isDetection: boolean): Stored {
  const size: Size = image;
  if (!isDetection) return { boxes: [], tagIds: (image.tags ?? []).map((tag) => tag.tagId) };
  const boxes = (image.regions ?? []).map((region) => ({
    regionId: region.regionId,
    key: region.regionId,
    tagId: region.tagId,
    box: fromRegion(region, size),
  }));
  return { boxes, tagIds: [] };
}

export function shown(stored: Stored): Labels {
  return { boxes: stored.boxes.map(({ key, tagId, box }) => ({ key, tagId, box })), tagIds: stored.tagIds };
}

interface Difference {
  boxesToCreate: (LabelBox & { tagId: string })[];
  regionsToDelete: string[];
  tagsToAdd: string[];
  tagsToRemove: string[];
}

/** What must be asked of the server so that it has these labels. Boxes without a tag cannot be stored. */
export function difference(stored: Stored, labels: Labels): Difference {
  const kept = new Set<string>();
  const boxesToCreate: (LabelBox & { tagId: string })[] = [];
  const taken: LabelBox[] = [];
  for (const label of labels.boxes) {
    const there = stored.boxes.find((each) => each.key === label.key && same(each, label));
    if (there) kept.add(there.regionId);
    // The same box twice is refused by the service; one is enough.
    else if (label.tagId !== null && !taken.some((each) => same(each, label)) && !stored.boxes.some((each) => kept.has(each.regionId) && same(each, label)))
      boxesToCreate.push({ ...label, tagId: label.tagId });
    taken.push(label);
  }
  return {
    boxesToCreate,
    regionsToDelete: stored.boxes.filter((each) => !kept.has(each.regionId)).map((each) => each.regionId),
    tagsToAdd: labels.tagIds.filter((tagId) => !stored.tagIds.includes(tagId)),
    tagsToRemove: stored.tagIds.filter((tagId) => !labels.tagIds.includes(tagId)),
  };
}

export function isEmpty(difference: Difference): boolean {
  return Object.values(difference).every((part: unknown[]) => part.length === 0);
}

export function sameLabels(one: Labels, other: Labels): boolean {
  return (
    one.boxes.length === other.boxes.length &&
    one.boxes.every((box) => other.boxes.some((each) => each.key === box.key && same(each, box))) &&
    one.tagIds.length === other.tagIds.length &&
    one.tagIds.every((tagId) => other.tagIds.includes(tagId))
  );
}

/** Labels that other windows or programs added and removed. */
export interface Foreign {
  addedBoxes: readonly StoredBox[];
  removedKeys: readonly string[];
  addedTags: readonly string[];
  removedTags: readonly string[];
}

/** How exactly a region is the box that was sent: single precision of a fraction of 10,000 pixels. */
const TOLERANCE = 0.01;

/**
 * What the server has now, beside what it had and what the page shows.
 *
 * A region that is new there and equals an unsaved box is that box (its response was lost); any other one was
 * added elsewhere. A region that is missing was removed elsewhere; its box goes, unless it was changed here.
 */
export function reconciled(before: Stored, labels: Labels, now: Stored): { stored: Stored; foreign: Foreign } {
  const present = new Map(now.boxes.map((each) => [each.regionId, each]));
  const remaining = before.boxes.filter((each) => present.has(each.regionId));
  const removedKeys = before.boxes
    .filter((each) => !present.has(each.regionId))
    .filter((each) => labels.boxes.some((label) => label.key === each.key && same(label, each)))
    .map((each) => each.key);
  const known = new Set(before.boxes.map((each) => each.regionId));
  const unsaved = difference({ boxes: remaining, tagIds: [] }, labels).boxesToCreate.filter((each) => !removedKeys.includes(each.key));
  const adopted: StoredBox[] = [];
  const addedBoxes: StoredBox[] = [];
  for (const region of now.boxes) {
    if (known.has(region.regionId)) continue;
    const index = unsaved.findIndex((label) => same(label, region, TOLERANCE));
    const [label] = index < 0 ? [] : unsaved.splice(index, 1);
    if (label) adopted.push({ ...region, key: label.key, box: label.box });
    else addedBoxes.push(region);
  }
  return {
    stored: { boxes: [...remaining, ...adopted, ...addedBoxes], tagIds: now.tagIds },
    foreign: {
      addedBoxes,
      removedKeys,
      addedTags: now.tagIds.filter((tagId) => !before.tagIds.includes(tagId) && !labels.tagIds.includes(tagId)),
      removedTags: before.tagIds.filter((tagId) => !now.tagIds.includes(tagId) && labels.tagIds.includes(tagId)),
    },
  };
}

export function isForeign(foreign: Foreign): boolean {
  return Object.values(foreign).some((part: unknown[]) => part.length > 0);
}

/** Labels with what was added and removed elsewhere. `single`: an image has one tag; the one chosen here stays. */
export function withForeign(labels: Labels, foreign: Foreign, single: boolean): Labels {
  const boxes = labels.boxes.filter((each) => !foreign.removedKeys.includes(each.key));
  const kept = labels.tagIds.filter((tagId) => !foreign.removedTags.includes(tagId));
  const tagIds = [...kept, ...foreign.addedTags];
  return {
    boxes: [...boxes, ...foreign.addedBoxes.map(({ key, tagId, box }) => ({ key, tagId, box }))],
    tagIds: single ? tagIds.slice(0, 1) : tagIds,
  };
}

/** The last box of `to` that `from` has not, or not like that: what undo and redo put in place. */
export function changedBox(from: Labels, to: Labels): string | null {
  const changed = to.boxes.filter((box) => !from.boxes.some((each) => each.key === box.key && same(each, box)));
  return changed.at(-1)?.key ?? null;
}

/** `labels` with what changed from `from` to `to`, and nothing else: undo and redo beside other changes. */
export function patched(labels: Labels, from: Labels, to: Labels): Labels {
  const changed = (key: string) => {
    const [old, next] = [from, to].map((side) => side.boxes.find((each) => each.key === key));
    return !(old && next && same(old, next));
  };
  const keys = new Set([...from.boxes, ...to.boxes].map((each) => each.key).filter(changed));
  const tags = [...labels.tagIds.filter((id) => !from.tagIds.includes(id) || to.tagIds.includes(id))];
  return {
    boxes: [...labels.boxes.filter((each) => !keys.has(each.key)), ...to.boxes.filter((each) => keys.has(each.key))],
    tagIds: [...tags, ...to.tagIds.filter((id) => !from.tagIds.includes(id) && !tags.includes(id))],
  };
}
