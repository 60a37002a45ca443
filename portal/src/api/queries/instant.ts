import { useQuery } from "@tanstack/react-query";
import { body, emulator } from "../client";
import { cacheKeys } from "../keys";
import { useIterations } from "./iterations";

const NONE: ReadonlySet<string> = new Set();

/** Which trained iterations have models of the instant trainer, by their ids; undefined until it is known. */
export function useInstantIterations(projectId: string): ReadonlySet<string> | undefined {
  const iterations = useIterations(projectId).data;
  const trained = (iterations ?? []).filter((each) => each.status === "Completed").map((each) => each.id);
  const query = useQuery({
    queryKey: cacheKeys.instant(projectId, trained),
    queryFn: async ({ signal }): Promise<ReadonlySet<string>> => {
      const path = { projectId };
      const found = await body(emulator.GET("/_emulator/projects/{projectId}/trainer", { params: { path }, signal }));
      return new Set(found.instantIterations);
    },
    enabled: trained.length > 0,
    placeholderData: (before) => before,
    // A model does not change.
    staleTime: "static",
  });
  if (iterations === undefined) return undefined;
  return trained.length === 0 || query.isError ? NONE : query.data;
}
