import { useQuery } from "@tanstack/react-query";
import { body, training, type Schemas } from "../client";
import { assignHues } from "../../components/tagColors";
import { compareNames } from "../../lib/names";
import { cacheKeys } from "../keys";

export type Tag = Schemas["Tag"];

/** The tags of the workspace, or as an iteration was trained on them; in the order of their names. */
export function useTags(projectId: string, iterationId?: string) {
  return useQuery({
    queryKey: cacheKeys.tags(projectId, iterationId),
    queryFn: async ({ signal }) => {
      const tags = await body(
        training.GET("/projects/{projectId}/tags", {
          params: { path: { projectId }, query: iterationId ? { iterationId } : {} },
          signal,
        }),
      );
      if (!iterationId) assignHues(tags.map((tag) => tag.id));
      return tags.toSorted((a, b) => compareNames(a.name, b.name));
    },
  });
}
