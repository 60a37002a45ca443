import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { body, emulator } from "../../api/client";
import { cacheKeys } from "../../api/keys";

/**
 * How many images are to be labeled until a training is possible and worth it, as the server counts them; null
 * while that is unknown. It depends on the tags of the images, so that nothing is subtracted here.
 *
 * changes: how often stored labels have changed; the count is requested again after each change.
 */
export function useNextTraining(projectId: string, changes: number): number | null {
  const count = useQuery({
    queryKey: [...cacheKeys.labelSession(projectId, "nextTraining"), changes],
    queryFn: () =>
      body(emulator.GET("/_emulator/projects/{projectId}/labelingQueue", { params: { path: { projectId }, query: { take: 0 } } })),
    placeholderData: keepPreviousData,
    gcTime: 0,
  });
  return count.data?.labelsToNextTraining ?? null;
}
