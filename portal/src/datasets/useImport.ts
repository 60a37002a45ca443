import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { ApiError, inWords } from "../api/errors";
import { cacheKeys } from "../api/keys";
import { useCancelJob } from "../api/queries/jobs";
import { announce } from "../components/announce";
import { count } from "../lib/format";
import type { DroppedFile } from "../lib/droppedFiles";
import { archiveOf } from "./dataSetFiles";
import { ended, forget, importChecked, sendForCheck, type Choices, type DataSetImport } from "./requests";

export type Step =
  | { name: "idle"; problem: string | null }
  | { name: "packing"; done: number; total: number }
  | { name: "sending"; bytes: number }
  | { name: "checking" | "importing"; state: DataSetImport }
  /** `choices`: those that were checked. */
  | { name: "checked"; state: DataSetImport; choices: Choices }
  | { name: "ended"; state: DataSetImport };

const GONE =
  "The emulator has the checked data set no longer: it was started again, or an hour has passed. Check it again.";
const UNKNOWN_END =
  "The emulator was started again, and it is not known whether the import was completed. Check the data set again: what is in the project already is not added twice.";

function isGone(error: unknown): boolean {
  return error instanceof ApiError && [404, 409].includes(error.status);
}

/** One import of a data set: packing, sending, the check, and the import itself. */
export function useImport() {
  const [step, setStep] = useState<Step>({ name: "idle", problem: null });
  /** The last check of the files. */
  const [found, setFound] = useState<DataSetImport | null>(null);
  const client = useQueryClient();
  const cancelJob = useCancelJob();
  const running = useRef(new AbortController());
  /** The check whose archive the emulator keeps for nothing when the dialog is closed. */
  const unused = useRef<string | null>(null);
  const packed = useRef<{ files: readonly DroppedFile[]; archive: Blob } | null>(null);

  function stop() {
    running.current.abort();
    running.current = new AbortController();
    if (unused.current !== null) void forget(unused.current);
    unused.current = null;
    return running.current.signal;
  }
  useEffect(
    () => () => {
      running.current.abort();
      if (unused.current !== null) void forget(unused.current);
    },
    [],
  );
  // Until the emulator has everything, it is lost with the page.
  const isSending = step.name === "packing" || step.name === "sending";
  useEffect(() => {
    if (!isSending) return;
    const leaving = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", leaving);
    return () => window.removeEventListener("beforeunload", leaving);
  }, [isSending]);

  /** `work` until another one begins; its failure is shown. */
  async function run(work: (signal: AbortSignal, show: (next: Step) => void) => Promise<void>) {
    const signal = stop();
    try {
      await work(signal, (next) => {
        if (!signal.aborted) setStep(next);
      });
    } catch (error) {
      if (!signal.aborted) setStep({ name: "idle", problem: inWords(error) });
    }
  }

  function check(files: readonly DroppedFile[], choices: Choices): Promise<void> {
    return run(async (signal, show) => {
      if (packed.current?.files !== files) {
        setFound(null);
        show({ name: "packing", done: 0, total: files.length });
        const archive = await archiveOf(files, signal, (done, total) => show({ name: "packing", done, total }));
        packed.current = { files, archive };
      }
      const { archive } = packed.current;
      show({ name: "sending", bytes: archive.size });
      const begun = await sendForCheck(archive, choices, signal);
      unused.current = begun.id;
      show({ name: "checking", state: begun });
      const state = await ended(begun, signal);
      signal.throwIfAborted();
      setFound(state);
      show({ name: "checked", state, choices });
      const errors = state.report?.errorCount ?? 0;
      announce(
        state.status === "Checked"
          ? `The data set is checked: ${count(state.report?.imageCount ?? 0, "image")}`
          : errors
            ? `The data set is checked: ${count(errors, "error")}`
            : "The data set cannot be read",
      );
    });
  }

  function start(checked: DataSetImport): Promise<void> {
    unused.current = null;
    return run(async (signal, show) => {
      let begun: DataSetImport;
      try {
        begun = await importChecked(checked, signal);
      } catch (error) {
        if (!isGone(error)) unused.current = checked.id;
        show({ name: "idle", problem: isGone(error) ? GONE : inWords(error) });
        return;
      }
      show({ name: "importing", state: begun });
      try {
        const state = await ended(begun, signal);
        show({ name: "ended", state });
        announce(state.status === "Completed" ? "The data set is imported" : "The data set is not imported");
      } catch (error) {
        if (!isGone(error)) throw error;
        show({ name: "idle", problem: UNKNOWN_END });
      } finally {
        void client.invalidateQueries({ queryKey: cacheKeys.projects });
        void client.invalidateQueries({ queryKey: cacheKeys.project(begun.projectId) });
      }
    });
  }

  /** End what runs; an import goes on until the emulator says how it ended. */
  function cancel() {
    if (step.name === "importing") cancelJob.mutate(step.state.jobId);
    else {
      stop();
      setStep({ name: "idle", problem: null });
    }
  }

  return { step, found, check, start, cancel, isCancelling: cancelJob.isPending };
}
