import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { body, training, type Schemas } from "../client";
import { cacheKeys } from "../keys";

export type Performance = Schemas["IterationPerformance"];

/** Precision, recall and average precision; thresholds are 0 to 1. The last figures stay while others are calculated. */
export function usePerformance(projectId: string, iterationId: string, threshold: number, overlapThreshold: number) {
  return useQuery({
    queryKey: cacheKeys.iteration(projectId, iterationId, "performance", threshold, overlapThreshold),
    queryFn: ({ signal }) =>
      body(
        training.GET("/projects/{projectId}/iterations/{iterationId}/performance", {
          params: { path: { projectId, iterationId }, query: { threshold, overlapThreshold } },
          signal,
        }),
      ),
    placeholderData: keepPreviousData,
    staleTime: Infinity,
  });
}

/** How many images of these tags, those of its model, an iteration was trained with. */
export function useTrainedImageCount(projectId: string, iterationId: string, tagIds: readonly string[]) {
  return useQuery({
    queryKey: cacheKeys.iteration(projectId, iterationId, "trainedImageCount", tagIds),
    queryFn: ({ signal }) =>
      body(training.GET("/projects/{projectId}/images/tagged/count", { params: { path: { projectId }, query: { iterationId, tagIds: [...tagIds] } }, signal })),
  });
}
