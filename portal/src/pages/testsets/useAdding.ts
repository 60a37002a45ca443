import { useRef, useState } from "react";
import { persistently } from "../../api/bulk/batches";
import { ApiError, inWords } from "../../api/errors";
import { addTestImages } from "../../api/queries/testSets";
import { asTask } from "../../tasks/tasks";
import type { DroppedFile } from "../../lib/droppedFiles";
import { count } from "../../lib/format";
import { contentOf } from "../../uploads/content";
import { isSendable, pathOf } from "../../uploads/intake";
import { intakeOf, leftOut } from "../../uploads/intakeOfDrop";
import { refusalOfBatch } from "../../uploads/statuses";
import { batches, merged, NOTHING, outcomeOf, type Batch, type Outcome, type Refused } from "./adding";
import { useChanged } from "./useChanged";

/** Nothing more can be added: the test set was deleted, the disk is full. */
const FINAL = new Set([404, 507]);

interface AddingState extends Outcome {
  isRunning: boolean;
  done: number;
  total: number;
}

/** Adds files to a test set, batch by batch, with progress. */
export function useAdding(projectId: string, testSetId: string) {
  const [state, setState] = useState<AddingState | null>(null);
  const controller = useRef<AbortController | null>(null);
  const changed = useChanged(projectId);

  /** Resolves to what became of the files, or to null without any. Rejects where no more can be added. */
  async function add(files: readonly DroppedFile[]): Promise<Outcome | null> {
    const intake = await intakeOf(files);
    const accepted = intake.candidates.filter(isSendable);
    let outcome: Outcome = { ...NOTHING, refused: leftOut(intake) };
    let done = outcome.refused.length;
    const total = accepted.length + done;
    if (total === 0) return null;
    const stop = new AbortController();
    controller.current = stop;
    setState({ ...outcome, isRunning: true, done, total });
    try {
      await asTask(`Adding ${count(total, "image")} to a test set`, async (task) => {
        task.signal.addEventListener("abort", () => stop.abort());
        for (const batch of batches(accepted)) {
          if (stop.signal.aborted) break;
          outcome = merged(outcome, await send(batch, stop.signal));
          done += batch.files.length;
          task.progress(done, total);
          setState({ ...outcome, isRunning: true, done, total });
        }
      });
    } finally {
      setState({ ...outcome, isRunning: false, done, total });
      await changed();
    }
    return outcome;
  }

  async function send({ files, tagName }: Batch, signal: AbortSignal): Promise<Outcome> {
    const ready: { name: string; data: Blob }[] = [];
    const refused: Refused[] = [];
    for (const file of files) {
      const name = pathOf(file);
      try {
        ready.push({ name, data: await contentOf(file.file, file.kind !== "image") });
      } catch (error) {
        refused.push({ name, reason: inWords(error) });
      }
    }
    const unread = { ...NOTHING, refused };
    if (ready.length === 0) return unread;
    try {
      // Images that were added before a lost response come back as duplicates.
      const { images } = await persistently(() => addTestImages(projectId, testSetId, ready, tagName, signal), signal);
      return merged(unread, outcomeOf(ready.map(({ name }) => name), images));
    } catch (error) {
      if (signal.aborted) return unread;
      if (!(error instanceof ApiError) || FINAL.has(error.status)) throw error;
      const reason = refusalOfBatch(error);
      return merged(unread, { ...NOTHING, refused: ready.map(({ name }) => ({ name, reason })) });
    }
  }

  return { state, add, cancel: () => controller.current?.abort() };
}
