import { useQueries } from "@tanstack/react-query";
import type { Image } from "../../../api/queries/images";
import { currentImages } from "../../../api/queries/insight";

/** Images of one request. */
const BLOCK = 96;

/**
 * What images of a list are in the workspace now, from the index `first` to `last`: the blocks that have these indexes
 * are requested. Of an image that was deleted null is returned, undefined while it is unknown.
 */
export function useCurrent(projectId: string, imageIds: readonly string[], first: number, last: number): (imageId: string) => Image | null | undefined {
  const start = Math.floor(Math.max(0, first) / BLOCK) * BLOCK;
  const blocks: (readonly string[])[] = [];
  for (let place = start; place <= last && place < imageIds.length; place += BLOCK) blocks.push(imageIds.slice(place, place + BLOCK));
  const loaded = useQueries({ queries: blocks.map((ids) => currentImages(projectId, ids)) });
  return (imageId) => {
    const found = loaded[blocks.findIndex((ids) => ids.includes(imageId))]?.data;
    return found && (found.get(imageId) ?? null);
  };
}
