import { notifications } from "@mantine/notifications";
import { inWords } from "../../api/errors";
import { useCancelJob, type Job } from "../../api/queries/jobs";
import { useConfirm, type Question } from "../confirm";
import { jobTitle } from "./jobWords";

const CONSEQUENCES: Record<Job["kind"], string> = {
  training:
    "What was learned so far is lost. The iteration stays in the list as failed, and you can train again at once. Iterations that were trained before do not change.",
  export: "No file is written. The export can be requested again.",
  import: "Nothing is added; a new project stays empty.",
  check: "Nothing was written. The data set can be checked again.",
  evaluation: "No figures are calculated. The evaluation can be requested again.",
};

/** Stopping a job, after a question: the element to render, and the function that asks and stops. */
export function useStopJob() {
  const { ask, dialog } = useConfirm();
  const cancel = useCancelJob();

  async function stop(job: Job): Promise<void> {
    const question: Question = {
      title: `Stop the ${job.kind}?`,
      message: `${jobTitle(job)} is not completed. ${CONSEQUENCES[job.kind]}`,
      action: `Stop the ${job.kind}`,
      danger: true,
    };
    if (!(await ask(question))) return;
    try {
      await cancel.mutateAsync(job.id);
    } catch (error) {
      notifications.show({ color: "red", title: `The ${job.kind} could not be stopped`, message: inWords(error) });
    }
  }

  return { stop, dialog, isStopping: cancel.isPending };
}
