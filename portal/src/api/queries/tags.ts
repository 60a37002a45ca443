import { useQuery } from "@tanstack/react-query";
import { body, emulator, training, type Schemas } from "../client";
import { assignHues } from "../../components/tagColors";
import { compareNames } from "../../lib/names";
import { cacheKeys } from "../keys";
import { useProjectKind } from "./projects";

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

/** The tag of the anomalies, which is the Negative one, in a project of anomaly detection; undefined in others. */
export function useAnomalyTagId(projectId: string): string | undefined {
  const { isAnomaly } = useProjectKind(projectId);
  const tags = useTags(projectId).data;
  return isAnomaly ? tags?.find((tag) => tag.type === "Negative")?.id : undefined;
}

/**
 * The tags of the workspace, with the numbers of images that a training counts: with boxes of the tag in detection
 * projects. The tags of the service count images without boxes, too.
 */
export function useTrainedTags(projectId: string) {
  const tags = useTags(projectId);
  const counts = useQuery({
    queryKey: [...cacheKeys.tags(projectId), "trained"],
    queryFn: ({ signal }) =>
      body(
        emulator.GET("/_emulator/projects/{projectId}/labelingQueue", {
          params: { path: { projectId }, query: { take: 0 } },
          signal,
        }),
      ),
    select: (queue) => new Map(queue.tags.map((each) => [each.tagId, each.imageCount])),
  });
  const { data: found } = tags;
  const { data: numbers } = counts;
  return {
    data: found && numbers && found.map((tag) => ({ ...tag, imageCount: numbers.get(tag.id) ?? 0 })),
    error: tags.error ?? counts.error,
    refetch: () => Promise.all([tags.refetch(), counts.refetch()]),
  };
}
