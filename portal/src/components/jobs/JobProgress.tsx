import { Group, Progress, Text } from "@mantine/core";
import type { Job } from "../../api/queries/jobs";
import { jobTitle, percentDone, timeLeft } from "./jobWords";
import styles from "./jobs.module.css";

/** Bar, step and time left of an unfinished job. */
export function JobProgress({ job, size = "sm" }: { job: Job; size?: "sm" | "lg" }) {
  const percent = percentDone(job);
  const left = timeLeft(job.secondsLeft);
  const isWaiting = job.status === "Waiting";
  return (
    <div>
      <Progress
        value={percent ?? (isWaiting ? 0 : 100)}
        animated={percent === null && !isWaiting}
        striped={percent === null && !isWaiting}
        size={size}
        aria-label={jobTitle(job)}
        {...(percent === null ? { "aria-valuetext": job.stage ?? job.status } : {})}
        transitionDuration={200}
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
