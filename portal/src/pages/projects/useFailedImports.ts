import { useQuery } from "@tanstack/react-query";
import { body, emulator } from "../../api/client";
import { cacheKeys } from "../../api/keys";
import type { Project } from "../../api/queries/projects";

/** Why imports failed, by project id; asked for only while there is a project with that status. */
export function useFailedImports(projects: readonly Project[]): ReadonlyMap<string, string> {
  const failed = projects.filter((each) => each.status === "Failed").map((each) => each.id);
  const imports = useQuery({
    queryKey: cacheKeys.failedImports(failed),
    queryFn: ({ signal }) => body(emulator.GET("/_emulator/imports", { signal })),
    enabled: failed.length > 0,
  });
  return new Map((imports.data ?? []).flatMap((each) => (each.reason === null ? [] : [[each.projectId, each.reason]])));
}
