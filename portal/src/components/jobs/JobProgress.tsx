import { Group, Text } from "@mantine/core";
import type { Job } from "../../api/queries/jobs";
import { ProgressBar } from "../ProgressBar";
import { jobTitle, percentDone, timeLeft } from "./jobWords";
import styles from "./jobs.module.css";

/** Bar, step and time left of an unfinished job. */
export function JobProgress({ job, size = "sm" }: { job: Job; size?: "sm" | "lg" }) {
  const percent = percentDone(job);
  const left = timeLeft(job.secondsLeft);
  return (
    <div>
      <ProgressBar
        label={jobTitle(job)}
        percent={percent}
        size={size}
        text={job.stage ?? job.status}
        isWaiting={job.status === "Waiting"}
      />
      <Group justify="space-between" gap="xs" mt={4} wrap="nowrap" align="flex-start">
        <Text size="sm" className={styles.stage}>
          {job.stage ?? job.status}
        </Text>
        <Text size="sm" c="dimmed" className={styles.figures}>
          {[percent === null ? null : `${percent}%`, left].filter((part) => part !== null).join(" · ")}
        </Text>
      </Group>
    </div>
  );
}
