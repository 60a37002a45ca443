import { useCallback } from "react";
import { training } from "../../../api/client";
import type { Iteration } from "../../../api/queries/iterations";
import { named } from "../../../lib/format";
import { useUndo } from "../../../undo/UndoProvider";
import { publication, publishAs, unpublishOf } from "./publication";

type OnError = (error: unknown) => void;

async function renameTo(projectId: string, iteration: Iteration, name: string) {
  await training.PATCH("/projects/{projectId}/iterations/{iterationId}", {
    params: { path: { projectId, iterationId: iteration.id } },
    body: { name },
  });
}

/** Changes of iterations that can be undone. */
export function useIterationChanges(projectId: string) {
  const undo = useUndo();

  /** Publish by a name, which is taken from `holder`. Resolves to whether it was done; `onError` gets the refusal. */
  const publish = useCallback(
    (
      iteration: Iteration,
      { name, resourceId, holder, onError }: { name: string; resourceId: string; holder?: Iteration; onError: OnError },
    ) =>
      undo.run(publication(projectId, iteration, { name, resourceId, overwrite: holder !== undefined }), { onError }),
    [projectId, undo],
  );

  /** Resolves to whether it was withdrawn; a failure is shown. */
  const unpublish = useCallback(
    (iteration: Iteration) =>
      undo.run(
        {
          label: `Unpublished ${named(iteration.name)}`,
          redo: () => unpublishOf(projectId, iteration),
          undo: () =>
            publishAs(projectId, iteration, iteration.publishName ?? "", iteration.originalPublishResourceId ?? ""),
        },
        { toast: true },
      ),
    [projectId, undo],
  );

  /** Resolves to whether it was done; `onError` gets the refusal. */
  const rename = useCallback(
    (iteration: Iteration, name: string, onError: OnError) =>
      undo.run(
        {
          label: `Renamed ${named(iteration.name)} to ${named(name)}`,
          redo: () => renameTo(projectId, iteration, name),
          undo: () => renameTo(projectId, iteration, iteration.name),
        },
        { onError },
      ),
    [projectId, undo],
  );

  return { publish, unpublish, rename };
}
