/** Merging a tag into another one, which can be undone. */
import { applyChanges } from "../../../api/bulk/apply";
import { replacing, type LabelChange, type Target } from "../../../api/bulk/labels";
import { restoreTag } from "../../../api/bulk/restore";
import { training } from "../../../api/client";
import type { Tag } from "../../../api/queries/tags";
import { replaceInTagOrder } from "../../../components/tagOrder";
import { count, named } from "../../../lib/format";
import { asTask, type TaskHandle } from "../../../tasks/tasks";
import type { Change } from "../../../undo/history";
import { failIfLeft, failIfNothing, listed, reportPart, takenBack } from "../../../undo/labelChanges";

/**
 * Gives the images of `from` the tag `into`, boxes included, and deletes `from`. `imagesOf`: lists the images of a
 * tag. Where only a part of the images could be changed, `from` stays, and just that part is undone.
 */
export function mergeOf(projectId: string, from: Tag, into: Tag, imagesOf: (tagId: string, task: TaskHandle) => Promise<Target[]>): Change {
  let made: LabelChange[] = [];
  let fromId = from.id;
  let isDeleted = false;
  /** How many images are undone already, where a part is left. */
  let undone = 0;
  const names = [named(from.name), named(into.name)] as const;
  const change: Change = {
    label: "",
    redo: () =>
      asTask(`Merging ${names[0]} into ${names[1]}`, async (task) => {
        const found = await listed(() => imagesOf(fromId, task), task);
        const planned = replacing(found, fromId, into.id);
        const applied = await applyChanges(projectId, planned, task, found.length);
        if (planned.length > 0) failIfNothing(applied);
        made = applied.made;
        undone = 0;
        if (made.length === planned.length) {
          await training.DELETE("/projects/{projectId}/tags/{tagId}", { params: { path: { projectId, tagId: fromId } } });
          isDeleted = true;
          change.label = `Merged ${names[0]} into ${names[1]}`;
        } else change.label = `Changed ${names[0]} to ${names[1]} on ${count(made.length, "image")}`;
        reportPart(applied.failure, made.length, planned.length);
      }),
    undo: () =>
      asTask("Undoing", async (task) => {
        if (isDeleted) {
          const before = fromId;
          fromId = await restoreTag(projectId, before);
          replaceInTagOrder(projectId, before, fromId);
          isDeleted = false;
          made = made.map((each) => renamed(each, before, fromId));
        }
        const back = await takenBack(projectId, made, task);
        made = back.left;
        undone += back.undone.length;
        failIfLeft(back, undone);
      }),
  };
  return change;
}

/** The change with another id of a tag: a restored tag can have got one. */
function renamed({ imageId, before, after, boxes, lost }: LabelChange, oldId: string, newId: string): LabelChange {
  const idOf = (id: string) => (id === oldId ? newId : id);
  const boxOf = <Box extends { tagId: string }>(box: Box) => ({ ...box, tagId: idOf(box.tagId) });
  return { imageId, before: before.map(idOf), after: after.map(idOf), boxes: boxes.map(boxOf), lost: lost.map(boxOf) };
}
