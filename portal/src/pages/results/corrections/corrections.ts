/** Corrections of the labels of one image, each with its undo. */
import { applyChanges, targetsOf } from "../../../api/bulk/apply";
import { reversed, type LabelChange, type RegionBox } from "../../../api/bulk/labels";
import { createRegions, deleteRegions } from "../../../api/bulk/regions";
import { Problem } from "../../../api/errors";
import type { Change } from "../../../undo/history";

interface TagCorrection {
  kind: "tags";
  add: readonly string[];
  remove: readonly string[];
}

interface RegionCorrection {
  kind: "regions";
  add: readonly RegionBox[];
  /** Regions to delete: their ids, and what brings them back. */
  remove: readonly { id: string; box: RegionBox }[];
}

export type Correction = TagCorrection | RegionCorrection;

/** No task is shown for a single image, and it cannot be cancelled. */
const QUIET = { signal: new AbortController().signal, progress: () => undefined };

/** A change of the labels of an image. `label`: "Changed 'Cat' to 'Dog'". */
export function correctionOf(projectId: string, imageId: string, correction: Correction, label: string): Change {
  return correction.kind === "tags" ? ofTags(projectId, imageId, correction, label) : ofRegions(projectId, imageId, correction, label);
}

/** The tags of an image after a correction. */
export function corrected(tagIds: readonly string[], { add, remove }: TagCorrection): string[] {
  const kept = tagIds.filter((id) => !remove.includes(id));
  return [...kept, ...add.filter((id) => !kept.includes(id))];
}

function ofTags(projectId: string, imageId: string, correction: TagCorrection, label: string): Change {
  let made: LabelChange | undefined;
  const apply = async (change: LabelChange) => {
    const applied = await applyChanges(projectId, [change], QUIET);
    if (applied.failure !== undefined) throw applied.failure as Error;
    return applied.made[0];
  };
  return {
    label,
    redo: async () => {
      const [target] = await targetsOf(projectId, [imageId], QUIET);
      if (!target) throw new Problem("The image was deleted.");
      const after = corrected(target.tagIds, correction);
      if (after.toSorted().join() === target.tagIds.toSorted().join()) throw new Problem("The image has these tags already.");
      const lost = target.regions.filter((region) => !after.includes(region.tagId));
      made = await apply({ imageId, before: target.tagIds, after, boxes: [], lost });
    },
    undo: async () => {
      if (made) await apply(reversed(made));
    },
  };
}

function ofRegions(projectId: string, imageId: string, { add, remove }: RegionCorrection, label: string): Change {
  let removed = remove.map((each) => each.id);
  let created: string[] = [];
  return {
    label,
    redo: async () => {
      created = await createRegions(projectId, imageId, add);
      await deleteRegions(projectId, removed);
    },
    undo: async () => {
      removed = await createRegions(projectId, imageId, remove.map((each) => each.box));
      await deleteRegions(projectId, created);
    },
  };
}
