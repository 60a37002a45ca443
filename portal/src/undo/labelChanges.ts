/** Changes of the labels of many images that can be undone: in batches, with progress, and a report of a part. */
import { notifications } from "@mantine/notifications";
import { applyChanges, type Applied } from "../api/bulk/apply";
import { reversed, type LabelChange, type Target } from "../api/bulk/labels";
import { inWords, Problem } from "../api/errors";
import { count } from "../lib/format";
import { asTask, type TaskHandle } from "../tasks/tasks";
import { PartlyUndone, type Change } from "./history";

const CANCELLED = "Cancelled before anything was changed.";

/** Lists the images to change, as they are now. */
export type Targets = (task: TaskHandle) => Promise<Target[]>;

interface Wanted {
  targets: Targets;
  plan: (found: Target[]) => LabelChange[];
  /** Shown while it is done: "Tagging images". */
  task: string;
  /** What was done: "Tagged 3 images with 'cat'". */
  label: (images: string) => string;
  /** The message where no image needs the change. */
  nothing: string;
}

/** A change whose images are listed when it is first made; a later "redo" repeats just what was undone. */
export function labelChange(projectId: string, wanted: Wanted): Change {
  let made: LabelChange[] = [];
  let undone: LabelChange[] | null = null;
  const change: Change = {
    label: "",
    redo: () =>
      asTask(wanted.task, async (task) => {
        const found = undone ? null : await listed(wanted.targets, task);
        const planned = undone ?? wanted.plan(found ?? []);
        if (planned.length === 0) throw new Problem(wanted.nothing);
        const applied = await applyChanges(projectId, planned, task, found?.length ?? 0);
        failIfNothing(applied);
        made = applied.made;
        undone = [];
        change.label = wanted.label(count(made.length, "image"));
        reportPart(applied.failure, made.length, planned.length);
        if (applied.exceeded > 0)
          notifications.show({
            color: "orange",
            message: `${count(applied.exceeded, "image")} had the most tags already and got no more.`,
          });
      }),
    undo: () =>
      asTask("Undoing", async (task) => {
        const back = await takenBack(projectId, made, task);
        made = back.left;
        undone = [...(undone ?? []), ...back.undone];
        failIfLeft(back, undone.length);
      }),
  };
  return change;
}

interface TakenBack {
  undone: LabelChange[];
  /** What is still as the changes made it. */
  left: LabelChange[];
  failure?: unknown;
}

/** Undo changes, as far as that is possible. */
export async function takenBack(projectId: string, made: readonly LabelChange[], task: TaskHandle): Promise<TakenBack> {
  const applied = await applyChanges(projectId, made.map(reversed), task);
  const done = new Set(applied.made.map((each) => each.imageId));
  return { undone: applied.made.map(reversed), left: made.filter((each) => !done.has(each.imageId)), failure: applied.failure };
}

/** Throws where something is left. `undone`: how many images are undone by now, those of earlier attempts included. */
export function failIfLeft({ left, failure }: TakenBack, undone: number): void {
  if (left.length === 0) return;
  const why = failure === undefined ? "Cancelled." : inWords(failure);
  if (undone > 0) throw new PartlyUndone(undone, undone + left.length, why);
  throw failure === undefined ? new Problem(CANCELLED) : (failure as Error);
}

/** The images as they are now; all of them are listed before anything changes. */
export async function listed(targets: Targets, task: TaskHandle): Promise<Target[]> {
  try {
    return await targets(task);
  } catch (error) {
    throw task.signal.aborted ? new Problem(CANCELLED) : error;
  }
}

/** Throws where no image was changed: such a change cannot be undone. */
export function failIfNothing({ made, failure }: Applied): void {
  if (made.length === 0) throw failure === undefined ? new Problem(CANCELLED) : (failure as Error);
}

/** Says that only a part was done, and why. */
export function reportPart(failure: unknown, done: number, wanted: number): void {
  if (failure !== undefined)
    notifications.show({
      color: "red",
      autoClose: false,
      title: `Done for ${done.toLocaleString()} of ${wanted.toLocaleString()} images`,
      message: inWords(failure),
    });
  else if (done < wanted)
    notifications.show({ message: `Cancelled: done for ${done.toLocaleString()} of ${wanted.toLocaleString()} images.` });
}
