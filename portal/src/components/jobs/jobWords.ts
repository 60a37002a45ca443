/** Jobs in words: what they do, how long they take, how they ended. */
import type { Job } from "../../api/queries/jobs";

const SOON_SECONDS = 8;
const STEP_SECONDS = 5;

/** "about 25 s left"; rounded, since it is an estimate. Null where there is none. */
export function timeLeft(seconds: number | null): string | null {
  if (seconds === null) return null;
  if (seconds < SOON_SECONDS) return "a few seconds left";
  if (seconds < 57) return `about ${Math.ceil(seconds / STEP_SECONDS) * STEP_SECONDS} s left`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `about ${minutes} min left`;
  const rest = minutes % 60;
  return `about ${Math.floor(minutes / 60)} h${rest ? ` ${rest} min` : ""} left`;
}

/** "Training of Iteration 3", "Export to ONNX (ONNX12)", "Import into the project". Names are isolated by their element. */
export function jobTitle(job: Job): string {
  if (job.kind === "training") return `Training of ${job.iterationName ?? "an iteration"}`;
  if (job.kind === "export") return `Export of ${job.iterationName ?? "an iteration"} to ${target(job)}`;
  if (job.kind === "evaluation") return `Evaluation of ${job.iterationName ?? "an iteration"} on a test set`;
  return job.kind === "check" ? "Check of a data set" : "Import into the project";
}

function target(job: Job): string {
  return job.flavor === null ? (job.platform ?? "") : `${job.platform ?? ""} (${job.flavor})`;
}

/** What a message says when a job ends. */
export function endTitle(job: Job): string {
  const done: Record<Job["kind"], string> = {
    training: `${job.iterationName ?? "The iteration"} is trained`,
    export: `The export to ${target(job)} is ready`,
    import: "The import is complete",
    check: "The data set is checked",
    evaluation: `The evaluation of ${job.iterationName ?? "an iteration"} is ready`,
  };
  if (job.status === "Completed") return done[job.kind];
  const noun: Record<Job["kind"], string> = {
    training: `The training of ${job.iterationName ?? "an iteration"}`,
    export: `The export to ${target(job)}`,
    import: "The import",
    check: "The check of the data set",
    evaluation: `The evaluation of ${job.iterationName ?? "an iteration"}`,
  };
  return `${noun[job.kind]} ${job.status === "Cancelled" ? "was stopped" : "failed"}`;
}

/** The page that shows what a job is for, below the base of the portal. */
export function pageOf(job: Job): string {
  const project = `/projects/${job.projectId}`;
  if (job.kind === "evaluation") return `${project}/testsets`;
  if (job.kind === "check") return "/projects";
  if (job.kind === "import") return job.status === "Completed" ? `${project}/images` : "/projects";
  if (job.kind === "training" && job.status !== "Completed") return `${project}/train`;
  return `${project}/results/${job.iterationId ?? ""}`;
}

const COLORS: Partial<Record<Job["status"], string>> = { Completed: "green", Failed: "red" };

/** The color of the state of a job. */
export function colorOf({ status }: Job): string {
  return COLORS[status] ?? "gray";
}

/** Percent of the progress as a whole number; null where it is unknown. */
export function percentDone(job: Job): number | null {
  return job.progress === null ? null : Math.floor(job.progress * 100);
}
