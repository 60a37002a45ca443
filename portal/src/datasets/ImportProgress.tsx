import { Button, Group, Stack, Text } from "@mantine/core";
import { useConnection } from "../api/connection";
import { useJobs } from "../api/queries/jobs";
import { JobProgress } from "../components/jobs/JobProgress";
import { ProgressBar } from "../components/ProgressBar";
import { bytes } from "../lib/format";
import type { Step } from "./useImport";

interface Props {
  step: Extract<Step, { name: "packing" | "sending" | "checking" | "importing" }>;
  onCancel: () => void;
  isCancelling: boolean;
}

/** What is being done with a data set, and how far it is. */
export function ImportProgress({ step, onCancel, isCancelling }: Props) {
  const connection = useConnection();
  const jobs = useJobs().data?.jobs;
  const job = "state" in step ? jobs?.find((each) => each.id === step.state.jobId) : undefined;
  const title = titleOf(step);
  const packed = step.name === "packing" && step.total > 0 ? Math.floor((100 * step.done) / step.total) : null;
  return (
    <Stack gap={6} role="group" aria-label="Progress">
      <Group justify="space-between" wrap="nowrap">
        <Text size="sm" fw={500} role="status">
          {title}
        </Text>
        <Button size="compact-sm" variant="default" onClick={onCancel} loading={isCancelling}>
          {step.name === "importing" ? "Stop the import" : "Cancel"}
        </Button>
      </Group>
      {job ? <JobProgress job={job} /> : <ProgressBar label={title} percent={packed} text={title} />}
      {connection !== "online" && (
        <Text size="sm">
          {connection === "lost" ? "Waiting for the emulator. It goes on when the emulator responds." : "Sign in to go on."}
        </Text>
      )}
    </Stack>
  );
}

function titleOf(step: Props["step"]): string {
  switch (step.name) {
    case "packing":
      return `Reading the files, ${step.done.toLocaleString()} of ${step.total.toLocaleString()}`;
    case "sending":
      return `Sending ${bytes(step.bytes)}`;
    case "checking":
      return "Checking the data set";
    case "importing":
      return "Importing";
  }
}
