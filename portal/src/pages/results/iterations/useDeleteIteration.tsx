import { Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useQueryClient } from "@tanstack/react-query";
import { training } from "../../../api/client";
import { inWords } from "../../../api/errors";
import { cacheKeys } from "../../../api/keys";
import type { Iteration } from "../../../api/queries/iterations";
import { announce } from "../../../components/announce";
import { useConfirm } from "../../../components/confirm";
import { named } from "../../../lib/format";
import { useIterationChanges } from "./useIterationChanges";

/**
 * Deleting an iteration, after a question. A published one is refused by the service, so the question is then
 * whether to unpublish it.
 *
 * Returns the element to render, and a function that resolves to whether it was deleted.
 */
export function useDeleteIteration(projectId: string) {
  const { ask, dialog } = useConfirm();
  const { unpublish } = useIterationChanges(projectId);
  const client = useQueryClient();

  const remove = async (iteration: Iteration): Promise<boolean> => {
    if (iteration.publishName !== null) {
      const agreed = await ask({
        title: "A published iteration cannot be deleted",
        message: `${named(iteration.name)} is published as ${named(iteration.publishName)}. Programs that predict with this name get errors when it is unpublished.`,
        action: "Unpublish",
      });
      if (agreed) await unpublish(iteration);
      return false;
    }
    const agreed = await ask({
      title: "Delete this iteration?",
      danger: true,
      action: "Delete iteration",
      message: (
        <>
          <Text fw={600} style={{ unicodeBidi: "isolate", overflowWrap: "anywhere" }}>
            {iteration.name}
          </Text>
          <Text mt="xs">
            Its model, its results and its exports are deleted. Images and tags of the project stay. This cannot be undone.
          </Text>
        </>
      ),
    });
    if (!agreed) return false;
    try {
      await training.DELETE("/projects/{projectId}/iterations/{iterationId}", {
        params: { path: { projectId, iterationId: iteration.id } },
      });
    } catch (error) {
      notifications.show({ color: "red", title: "The iteration was not deleted", message: inWords(error) });
      return false;
    } finally {
      await client.invalidateQueries({ queryKey: cacheKeys.iterations(projectId), exact: true });
    }
    announce("Iteration deleted");
    return true;
  };
  return { remove, dialog };
}
