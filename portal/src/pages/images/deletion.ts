/** Deleting images, which can be undone. */
import { notifications } from "@mantine/notifications";
import { deleteImages } from "../../api/bulk/apply";
import { restoreImages } from "../../api/bulk/restore";
import { inWords } from "../../api/errors";
import { count } from "../../lib/format";
import { asTask } from "../../tasks/tasks";
import { GoneForGood, PartlyUndone, type Change } from "../../undo/history";
import { listed, reportPart, type Targets } from "../../undo/labelChanges";

/** `onDeleted`: called when images were deleted. */
export function deletionOf(projectId: string, targets: Targets, onDeleted: () => void): Change {
  /** Ids of images that are deleted. */
  let deleted: string[] = [];
  /** Ids of images that were brought back; null before the first deletion. */
  let restored: string[] | null = null;
  let lost = 0;
  const change: Change = {
    label: "",
    redo: () =>
      asTask("Deleting images", async (task) => {
        const wanted = restored ?? (await listed(targets, task)).map((target) => target.id);
        const made = await deleteImages(projectId, wanted, task, restored ? 0 : wanted.length);
        if (made.failure !== undefined && made.deleted.length === 0) throw made.failure as Error;
        deleted = made.deleted;
        restored = [];
        lost = 0;
        change.label = `Deleted ${count(deleted.length, "image")}`;
        reportPart(made.failure, deleted.length, wanted.length);
        onDeleted();
      }),
    undo: () =>
      asTask("Restoring images", async (task) => {
        const result = await restoreImages(projectId, deleted, task);
        deleted = result.left;
        restored = [...(restored ?? []), ...result.restored];
        lost += result.lost.length;
        if (deleted.length > 0) {
          if (restored.length === 0 && result.failure !== undefined) throw result.failure as Error;
          const why = result.failure === undefined ? "Cancelled." : inWords(result.failure);
          throw new PartlyUndone(restored.length, restored.length + deleted.length, why);
        }
        if (restored.length === 0 && lost > 0) throw new GoneForGood("Images can be brought back within an hour only.");
        if (lost > 0)
          notifications.show({ color: "orange", message: `${count(lost, "image")} could not be brought back.` });
      }),
  };
  return change;
}
