/** Replacing regions of an image: with the ids that undoing needs. */
import { body, training } from "../client";
import { Problem } from "../errors";
import { inBatches, persistently } from "./batches";
import type { RegionBox } from "./labels";

/** Most regions of one request. */
export const REGIONS = 64;

/** Add boxes to an image; returns the ids of the new regions. */
export async function createRegions(projectId: string, imageId: string, boxes: readonly RegionBox[]): Promise<string[]> {
  if (boxes.length === 0) return [];
  const answer = await body(
    training.POST("/projects/{projectId}/images/regions", {
      params: { path: { projectId } },
      body: { regions: boxes.map((box) => ({ imageId, ...box })) },
    }),
  );
  if (answer.created.length === 0) throw new Problem("The image has the same box already, or the most boxes that are allowed.");
  return answer.created.map((region) => region.regionId);
}

export async function deleteRegions(projectId: string, ids: readonly string[]): Promise<void> {
  for (const regionIds of inBatches(ids, REGIONS))
    await persistently(() =>
      training.DELETE("/projects/{projectId}/images/regions", { params: { path: { projectId }, query: { regionIds } } }),
    );
}
