import { useQuery } from "@tanstack/react-query";
import { body, emulator } from "../client";
import { cacheKeys } from "../keys";

/** Which trainer makes the models of the project: its own one or that of the emulator. */
export function useTrainer(projectId: string) {
  return useQuery({
    queryKey: cacheKeys.trainer(projectId),
    queryFn: ({ signal }) =>
      body(emulator.GET("/_emulator/projects/{projectId}/trainer", { params: { path: { projectId } }, signal })),
  });
}
