import { useQueryClient } from "@tanstack/react-query";
import { useCallback } from "react";
import { cacheKeys } from "../../api/keys";

/** A function that asks for all of the test sets again, after a change. */
export function useChanged(projectId: string): () => Promise<void> {
  const client = useQueryClient();
  return useCallback(() => client.invalidateQueries({ queryKey: cacheKeys.testSets(projectId) }), [client, projectId]);
}
