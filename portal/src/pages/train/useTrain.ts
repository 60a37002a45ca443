import { useMutation, useQueryClient } from "@tanstack/react-query";
import { body, training } from "../../api/client";
import { ApiError, inWords } from "../../api/errors";
import { cacheKeys } from "../../api/keys";

export interface TrainingChoice {
  kind: "Regular" | "Advanced";
  hours: number;
  /** Iteration to start from. */
  baseId: string | null;
  /** The only tags to train on; empty: all. */
  tagIds: readonly string[];
}

/** Requests a training. `force`: also if nothing has changed since the last one. */
export function useTrain(projectId: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ kind, hours, baseId, tagIds, force }: TrainingChoice & { force: boolean }) =>
      body(
        training.POST("/projects/{projectId}/train", {
          params: {
            path: { projectId },
            query: {
              trainingType: kind,
              ...(kind === "Advanced" ? { reservedBudgetInHours: hours } : {}),
              ...(force ? { forceTrain: true } : {}),
            },
          },
          body: {
            ...(tagIds.length > 0 ? { selectedTags: [...tagIds] } : {}),
            ...(baseId === null ? {} : { customBaseModelInfo: { projectId, iterationId: baseId } }),
          },
        }),
      ),
    onSettled: () =>
      Promise.all([
        client.invalidateQueries({ queryKey: cacheKeys.iterations(projectId) }),
        client.invalidateQueries({ queryKey: cacheKeys.jobs }),
      ]),
  });
}

/** Whether the service refused a training because it would make the same model again. */
export function isNotNeeded(error: unknown): boolean {
  return error instanceof ApiError && error.code === "BadRequestTrainingNotNeeded";
}

/** Why a training was refused, in a sentence. */
export function refusalInWords(error: unknown): string {
  if (isNotNeeded(error)) return "Nothing has changed since the last training: images, tags, domain and budget are the same.";
  if (error instanceof ApiError && error.code === "BadRequestTrainingAlreadyInProgress")
    return "A training of this project is in progress already. One more can begin when it has ended.";
  return inWords(error);
}
