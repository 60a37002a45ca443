import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useEffect, useMemo } from "react";
import { body, emulator } from "../../../api/client";
import { cacheKeys } from "../../../api/keys";
import type { Thresholds } from "../../../api/queries/insight";

const IMAGES = "/_emulator/projects/{projectId}/iterations/{iterationId}/confusionMatrix/images" as const;
/** The most that one request can list. */
const PAGE = 256;

/**
 * All images that the iteration was measured on, with their predictions. Which ones are wrong, at any thresholds, is
 * known when all are there, so all pages are requested, one after the other.
 *
 * thresholds: of the first request, so that the worst errors are there first; a change of them requests nothing.
 */
export function useEvaluatedImages(projectId: string, iterationId: string, thresholds: Thresholds) {
  const path = { projectId, iterationId };
  const total = useQuery({
    queryKey: cacheKeys.evaluated(projectId, iterationId, "count"),
    queryFn: ({ signal }) => body(emulator.GET(`${IMAGES}/count`, { params: { path }, signal })),
  });
  const pages = useInfiniteQuery({
    queryKey: cacheKeys.evaluated(projectId, iterationId, "images"),
    queryFn: ({ pageParam, signal }) =>
      body(emulator.GET(IMAGES, { params: { path, query: { ...pageParam, take: PAGE } }, signal })),
    initialPageParam: { ...thresholds, skip: 0 },
    getNextPageParam: (last, _all, before) => (last.length === PAGE ? { ...before, skip: before.skip + PAGE } : undefined),
  });
  const { hasNextPage, isFetching, fetchNextPage, isError } = pages;
  useEffect(() => {
    if (hasNextPage && !isFetching && !isError) void fetchNextPage();
  }, [hasNextPage, isFetching, isError, fetchNextPage]);
  const images = useMemo(() => pages.data?.pages.flat(), [pages.data]);
  return { data: images, error: pages.error, refetch: pages.refetch, total: total.data, isComplete: !hasNextPage };
}
