import { useQueryClient } from "@tanstack/react-query";
import { cacheKeys } from "../../api/keys";
import type { Tag } from "../../api/queries/tags";
import type { useConfirm } from "../../components/confirm";
import type { TaskHandle } from "../../tasks/tasks";
import { useUndo } from "../../undo/UndoProvider";
import { useTagChanges } from "../../undo/useTagChanges";
import { targetsOfChosen, type Chosen } from "./chosen";
import { deletionOf } from "./deletion";

/** Tagging, untagging and deleting images: in batches, with progress, and with undo. `ask`: of `useConfirm`. */
export function useImageActions(projectId: string, ask: ReturnType<typeof useConfirm>["ask"]) {
  const client = useQueryClient();
  const undo = useUndo();
  const changes = useTagChanges(projectId);

  const targets = (chosen: Chosen) => (task: TaskHandle) => targetsOfChosen(projectId, chosen, task, ask);

  return {
    tag: (chosen: Chosen, tag: Tag) => changes.tag(targets(chosen), tag),
    untag: (chosen: Chosen, off: readonly Tag[]) => changes.untag(targets(chosen), off),
    toggle: (chosen: Chosen, tag: Tag) => changes.toggle(targets(chosen), tag),
    remove: (chosen: Chosen) => {
      const deleted = () => client.invalidateQueries({ queryKey: cacheKeys.projects });
      return undo.run(deletionOf(projectId, targets(chosen), () => void deleted()), { toast: true });
    },
  };
}
