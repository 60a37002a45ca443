import { useInfiniteQuery } from "@tanstack/react-query";
import { body, training, type Schemas } from "../../api/client";
import { cacheKeys } from "../../api/keys";
import { addressOf, queryOf, type PredictionFilter } from "./filter";

export type StoredPrediction = Schemas["StoredImagePrediction"];

const PAGE = 64;

/** The stored predictions of a filter, page by page. */
export function usePredictions(projectId: string, filter: PredictionFilter) {
  return useInfiniteQuery({
    queryKey: cacheKeys.predictions(projectId, addressOf(filter).toString()),
    initialPageParam: null as string | null,
    queryFn: ({ pageParam, signal }) =>
      body(
        training.POST("/projects/{projectId}/predictions/query", {
          params: { path: { projectId } },
          body: { ...queryOf(filter), maxCount: PAGE, continuation: pageParam },
          signal,
        }),
      ),
    getNextPageParam: (last) => last.token.continuation ?? undefined,
  });
}
