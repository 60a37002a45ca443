/** Requests for many images, in batches within the limits of the API. */
import { body, training, type Schemas } from "../client";
import { ApiError } from "../errors";
import { fetchImageCount, fetchImages, fetchImagesByIds, MOST_IDS } from "../queries/images";
import type { ImageFilter } from "../../lib/imageFilter";
import type { TaskHandle } from "../../tasks/tasks";
import { inBatches, inParallel, persistently } from "./batches";
import { addedPairs, boxesOff, isMade, isSamePlace, removals, targetOf, type LabelChange, type RegionBox, type Target } from "./labels";
import { deleteRegions, REGIONS } from "./regions";

const PAIRS = 128;
const UNTAGGED_IMAGES = 64;
const DELETED_IMAGES = 256;
const READERS = 4;

/** All images of a list, oldest first, so that images that are added meanwhile do not move the others. */
export async function allTargets(projectId: string, filter: ImageFilter, task: TaskHandle): Promise<Target[]> {
  const total = await persistently(() => fetchImageCount(projectId, filter, task.signal), task.signal);
  const found = new Map<string, Target>();
  const pages = Array.from({ length: Math.ceil(total / MOST_IDS) }, (_, index) => index);
  await inParallel(pages, READERS, async (page) => {
    const range = { skip: page * MOST_IDS, take: MOST_IDS };
    const images = await persistently(
      () => fetchImages(projectId, { ...filter, order: "Oldest" }, range, task.signal),
      task.signal,
    );
    for (const image of images) found.set(image.id, targetOf(image));
    task.progress(Math.min(found.size, total), total * 2);
  });
  return [...found.values()];
}

/** The images with these ids; those that do not exist any more are left out. */
export async function targetsOf(projectId: string, imageIds: readonly string[], task: TaskHandle): Promise<Target[]> {
  let read = 0;
  const pages = await inParallel(inBatches(imageIds, MOST_IDS), READERS, async (ids) => {
    const images = await persistently(() => fetchImagesByIds(projectId, ids, undefined, task.signal), task.signal);
    read += ids.length;
    task.progress(read, imageIds.length * 2);
    return images;
  });
  return pages.flat().map(targetOf);
}

export interface Applied {
  /** The changes that were made, as they were made. */
  made: LabelChange[];
  /** Pairs that the service refused: too many tags on an image. */
  exceeded: number;
  /** Why it ended before the last image; undefined: it did not. */
  failure?: unknown;
}

/**
 * Change the tags of images, in batches. A cancelled task and a failure end it between two batches, with what was
 * made until then, which can be undone.
 */
export async function applyChanges(
  projectId: string,
  changes: readonly LabelChange[],
  task: TaskHandle,
  before = 0,
): Promise<Applied> {
  const applied: Applied = { made: [], exceeded: 0 };
  const onlyAdds = removals(changes).length === 0 && changes.every((each) => each.boxes.length + each.lost.length === 0);
  const total = before + changes.length;
  task.progress(before, total);
  for (const batch of inBatches(changes, onlyAdds ? PAIRS : UNTAGGED_IMAGES)) {
    if (task.signal.aborted) break;
    try {
      const refused = await applyBatch(projectId, batch);
      applied.exceeded += refused.size;
      for (const each of batch)
        applied.made.push({ ...each, after: each.after.filter((tagId) => !refused.has(`${each.imageId} ${tagId}`)) });
    } catch (error) {
      const made = await madeAnyway(projectId, batch, error);
      applied.made.push(...made);
      if (made.length < batch.length) {
        applied.failure = error;
        break;
      }
    }
    task.progress(before + applied.made.length, total);
  }
  return applied;
}

/** The changes of a failed batch that were made all the same: a failure of the emulator can come afterwards. */
async function madeAnyway(projectId: string, batch: readonly LabelChange[], failure: unknown): Promise<LabelChange[]> {
  if (!isOfEmulator(failure)) return [];
  const read = await fetchImagesByIds(projectId, batch.map((each) => each.imageId)).catch(() => []);
  const images = new Map(read.map((image) => [image.id, targetOf(image)]));
  return batch.filter((each) => {
    const image = images.get(each.imageId);
    return image !== undefined && isMade(each, image);
  });
}

/** Make a batch of changes; returns the refused pairs. Each request can be repeated without another effect. */
async function applyBatch(projectId: string, batch: readonly LabelChange[]): Promise<Set<string>> {
  const path = { projectId };
  await deleteRegions(projectId, await regionsOf(projectId, boxesOff(batch)));
  for (const { imageIds, tagIds } of removals(batch))
    await persistently(() =>
      training.DELETE("/projects/{projectId}/images/tags", { params: { path, query: { imageIds, tagIds } } }),
    );
  const refused = new Set<string>();
  for (const tags of inBatches(addedPairs(batch), PAIRS)) {
    const summary = await persistently(() =>
      body(training.POST("/projects/{projectId}/images/tags", { params: { path }, body: { tags } })),
    );
    for (const pair of summary.exceeded) refused.add(`${pair.imageId} ${pair.tagId}`);
  }
  const regions = batch.flatMap(({ imageId, boxes }) => boxes.map((box) => ({ ...box, imageId })));
  await addRegions(projectId, regions);
  return refused;
}

/** The ids of regions by their images, tags and places. Boxes that do not exist any more are left out. */
async function regionsOf(projectId: string, boxes: ReadonlyMap<string, readonly RegionBox[]>): Promise<string[]> {
  if (boxes.size === 0) return [];
  const images = await persistently(() => fetchImagesByIds(projectId, [...boxes.keys()]));
  return images.flatMap((image) =>
    (image.regions ?? [])
      .filter((region) => boxes.get(image.id)?.some((box) => box.tagId === region.tagId && isSamePlace(box, region)))
      .map((region) => region.regionId),
  );
}

async function addRegions(
  projectId: string,
  regions: readonly Schemas["ImageRegionCreateEntry"][],
): Promise<void> {
  for (const part of inBatches(regions, REGIONS))
    await persistently(() =>
      training.POST("/projects/{projectId}/images/regions", {
        params: { path: { projectId } },
        body: { regions: part },
      }),
    );
}

/** Delete images; ends between two batches when the task is cancelled. Returns the ids of the deleted ones. */
export async function deleteImages(
  projectId: string,
  imageIds: readonly string[],
  task: TaskHandle,
  before = 0,
): Promise<{ deleted: string[]; failure?: unknown }> {
  const deleted: string[] = [];
  for (const ids of inBatches(imageIds, DELETED_IMAGES)) {
    if (task.signal.aborted) break;
    try {
      await persistently(() =>
        training.DELETE("/projects/{projectId}/images", {
          params: { path: { projectId }, query: { imageIds: ids } },
        }),
      );
      deleted.push(...ids);
    } catch (failure) {
      const present = isOfEmulator(failure) ? await fetchImagesByIds(projectId, ids).catch(() => null) : null;
      const gone = present ? ids.filter((id) => !present.some((image) => image.id === id)) : [];
      deleted.push(...gone);
      if (gone.length < ids.length) return { deleted, failure };
    }
    task.progress(before + deleted.length, before + imageIds.length);
  }
  return { deleted };
}

/** Whether the emulator itself failed, perhaps after it had made the change. */
function isOfEmulator(failure: unknown): boolean {
  return failure instanceof ApiError && failure.status >= 500;
}
