import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo } from "react";
import { useSearchParams } from "wouter";
import { body, training } from "../../api/client";
import { cacheKeys } from "../../api/keys";
import { useInstantIterations } from "../../api/queries/instant";
import { useIterations } from "../../api/queries/iterations";
import { preferred } from "../../components/iterations/instant";

/** The iterations that can suggest labels, newest first, and the one in use: of the address, or the newest real one. */
export function useModels(projectId: string) {
  const iterations = useIterations(projectId).data;
  const instant = useInstantIterations(projectId);
  const [params, setParams] = useSearchParams();
  const wanted = params.get("model");
  const models = useMemo(() => (iterations ?? []).filter((each) => each.status === "Completed"), [iterations]);
  const model = useMemo(
    () => models.find((each) => each.id === wanted) ?? (instant && preferred(models, instant)),
    [models, wanted, instant],
  );
  const chooseModel = useCallback(
    (iterationId: string) =>
      setParams(
        (before) => {
          const after = new URLSearchParams(before);
          after.set("model", iterationId);
          return after;
        },
        { replace: true },
      ),
    [setParams],
  );
  return { models, model, instant, chooseModel };
}

function suggestionQuery(projectId: string, iterationId: string, imageId: string) {
  return {
    queryKey: cacheKeys.suggestions(projectId, iterationId, imageId),
    queryFn: async () => {
      const found = await body(
        training.POST("/projects/{projectId}/tagsandregions/suggestions", {
          params: { path: { projectId }, query: { iterationId, imageIds: [imageId] } },
        }),
      );
      return found[0]?.predictions ?? [];
    },
    // A model does not change.
    staleTime: "static" as const,
  };
}

/** What the model suggests for an image, and ahead of time for the next ones. */
export function useSuggestions(projectId: string, iterationId: string | undefined, imageId: string | null, next: readonly string[]) {
  const client = useQueryClient();
  const ahead = next.join(" ");
  const query = useQuery({
    ...suggestionQuery(projectId, iterationId ?? "", imageId ?? ""),
    enabled: iterationId !== undefined && imageId !== null,
  });
  useEffect(() => {
    if (iterationId === undefined || !query.isFetched) return;
    for (const id of ahead.split(" ").filter(Boolean)) client.query(suggestionQuery(projectId, iterationId, id)).catch(() => undefined);
  }, [client, projectId, iterationId, ahead, query.isFetched]);
  return query;
}

export function useProposals(projectId: string, imageId: string | null, enabled: boolean) {
  return useQuery({
    queryKey: cacheKeys.suggestions(projectId, "proposals", imageId ?? ""),
    queryFn: async () => {
      const path = { projectId, imageId: imageId ?? "" };
      const answer = await body(training.POST("/projects/{projectId}/images/{imageId}/regionproposals", { params: { path } }));
      return answer.proposals;
    },
    staleTime: "static",
    enabled: enabled && imageId !== null,
  });
}
