/** The images that an action is about. */
import { allTargets, targetsOf } from "../../api/bulk/apply";
import type { Target } from "../../api/bulk/labels";
import { Problem } from "../../api/errors";
import { count } from "../../lib/format";
import type { ImageFilter } from "../../lib/imageFilter";
import type { TaskHandle } from "../../tasks/tasks";
import type { Question } from "../../components/confirm";
import { selectedCount, type Selection } from "./grid/selection";

export type Chosen = { imageIds: readonly string[] } | { selection: Selection; filter: ImageFilter };

/**
 * The chosen images as they are now. Where "all" is another number of images than was selected, `ask` decides.
 * Rejects when the person does not agree.
 */
export async function targetsOfChosen(
  projectId: string,
  chosen: Chosen,
  task: TaskHandle,
  ask: (question: Question) => Promise<boolean>,
): Promise<Target[]> {
  if ("imageIds" in chosen) return targetsOf(projectId, chosen.imageIds, task);
  const { selection, filter } = chosen;
  if (selection.kind === "some") return targetsOf(projectId, [...selection.ids], task);
  const all = await allTargets(projectId, filter, task);
  const found = all.filter((target) => !selection.except.has(target.id));
  const selected = selectedCount(selection);
  if (found.length === selected || found.length === 0) return found;
  const now = count(found.length, "image");
  const agreed = await ask({
    title: "The list has changed",
    message: `${now} would be changed now; ${selected.toLocaleString()} were selected. The list has changed meanwhile.`,
    action: `Go on with ${now}`,
    danger: true,
  });
  if (!agreed) throw new Problem("Nothing was changed. Select the images again.");
  return found;
}
