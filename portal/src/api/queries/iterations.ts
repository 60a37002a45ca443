import { useQuery } from "@tanstack/react-query";
import { body, training, type Schemas } from "../client";
import { cacheKeys } from "../keys";

export type Iteration = Schemas["Iteration"];

/** Statuses of an iteration that change without an action of the person. */
export const RUNNING = new Set(["New", "Queued", "Staging", "Training"]);
const POLL_MS = 1000;

/** All iterations, newest first; requested again every second while one is trained. */
export function useIterations(projectId: string) {
  return useQuery({
    queryKey: cacheKeys.iterations(projectId),
    queryFn: async ({ signal }) => {
      const all = await body(
        training.GET("/projects/{projectId}/iterations", { params: { path: { projectId } }, signal }),
      );
      return all.toSorted((a, b) => b.created.localeCompare(a.created));
    },
    refetchInterval: (query) => (query.state.data?.some((each) => RUNNING.has(each.status)) ? POLL_MS : false),
  });
}
