/** Publishing an iteration, as a change that can be undone and repeated. */
import { body, training } from "../../../api/client";
import type { Iteration } from "../../../api/queries/iterations";
import { named } from "../../../lib/format";
import type { Change } from "../../../undo/history";

export async function publishAs(projectId: string, iteration: Iteration, publishName: string, predictionId: string, overwrite = false) {
  await training.POST("/projects/{projectId}/iterations/{iterationId}/publish", {
    params: { path: { projectId, iterationId: iteration.id }, query: { publishName, predictionId, overwrite } },
  });
}

export async function unpublishOf(projectId: string, iteration: Iteration) {
  await training.DELETE("/projects/{projectId}/iterations/{iterationId}/publish", {
    params: { path: { projectId, iterationId: iteration.id } },
  });
}

interface Publication {
  name: string;
  resourceId: string;
  /** Whether the name is taken from another iteration. */
  overwrite: boolean;
}

/**
 * Publish an iteration by a name. The name goes back to the iteration that had it when it was taken last: another
 * window may have published one between an undo and the repetition.
 */
export function publication(projectId: string, iteration: Iteration, { name, resourceId, overwrite }: Publication): Change {
  let holder: Iteration | undefined;
  return {
    label: `Published ${named(iteration.name)} as ${named(name)}`,
    redo: async () => {
      const all = await body(training.GET("/projects/{projectId}/iterations", { params: { path: { projectId } } }));
      const found = all.find((each) => each.id !== iteration.id && each.publishName === name);
      await publishAs(projectId, iteration, name, resourceId, overwrite);
      holder = found;
    },
    // One request, so that programs find the name at any time.
    undo: () =>
      holder
        ? publishAs(projectId, holder, name, holder.originalPublishResourceId ?? resourceId, true)
        : unpublishOf(projectId, iteration),
  };
}
