import type { TaskHandle } from "../../tasks/tasks";
import { body, emulator } from "../client";
import { Problem } from "../errors";
import { inBatches, persistently } from "./batches";

const RESTORED_IMAGES = 256;
/** Tags of more images cannot be brought back. */
export const MOST_RESTORED = 20_000;

export interface Restored {
  /** The ids that the restored images have now. */
  restored: string[];
  /** Images that cannot be brought back: it is more than an hour ago. */
  lost: string[];
  /** Images that were not requested, since it ended before. */
  left: string[];
  /** Why it ended before the last image; undefined: it did not, or it was cancelled. */
  failure?: unknown;
}

/** Bring deleted images back, with their tags and regions; ends between two batches when the task is cancelled. */
export async function restoreImages(projectId: string, imageIds: readonly string[], task: TaskHandle): Promise<Restored> {
  const result: Restored = { restored: [], lost: [], left: [...imageIds] };
  for (const ids of inBatches(imageIds, RESTORED_IMAGES)) {
    if (task.signal.aborted) break;
    try {
      const { images } = await persistently(() =>
        body(
          emulator.POST("/_emulator/projects/{projectId}/images/restore", {
            params: { path: { projectId } },
            body: { imageIds: ids },
          }),
        ),
      );
      for (const { imageId, requestedId } of images)
        if (imageId === null) result.lost.push(requestedId);
        else result.restored.push(imageId);
    } catch (failure) {
      return { ...result, failure };
    }
    result.left = result.left.slice(ids.length);
    task.progress(imageIds.length - result.left.length, imageIds.length);
  }
  return result;
}

/** Bring a deleted tag back, on the images that had it. Returns the id that it has now. */
export async function restoreTag(projectId: string, tagId: string): Promise<string> {
  const { tags } = await persistently(() =>
    body(
      emulator.POST("/_emulator/projects/{projectId}/tags/restore", {
        params: { path: { projectId } },
        body: { tagIds: [tagId] },
      }),
    ),
  );
  const [tag] = tags;
  if (tag?.tagId) return tag.tagId;
  throw new Problem(tag?.status === "NameInUse" ? "Another tag has this name now." : "A tag can be brought back within an hour only.");
}
