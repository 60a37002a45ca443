import { Button, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { IconPlayerStop } from "@tabler/icons-react";
import type { Job } from "../../api/queries/jobs";
import { JobProgress } from "../../components/jobs/JobProgress";
import { useStopJob } from "../../components/jobs/useStopJob";

/** The training that waits or runs. It goes on when the page, or the browser, is closed. */
export function RunningTraining({ job }: { job: Job }) {
  const { stop, dialog, isStopping } = useStopJob();
  return (
    <Paper withBorder p="lg" component="section" aria-labelledby="running-title">
      <Stack gap="sm">
        <Group justify="space-between" align="flex-start">
          <div style={{ minWidth: 0, flex: 1 }}>
            <Title order={2} size="h4" id="running-title" style={{ overflowWrap: "anywhere" }}>
              {job.status === "Waiting" ? `${job.iterationName ?? "The training"} waits` : `${job.iterationName ?? "The iteration"} is being trained`}
            </Title>
            <Text size="sm" c="dimmed">
              {job.trainingType === "Advanced" ? "Advanced training" : "Quick training"}. It goes on when you leave this page. Images
              that you add or change now count for the next one.
            </Text>
          </div>
          <Button
            variant="default"
            leftSection={<IconPlayerStop size={18} />}
            onClick={() => void stop(job)}
            loading={isStopping}
          >
            Stop the training
          </Button>
        </Group>
        <JobProgress job={job} size="lg" />
      </Stack>
      {dialog}
    </Paper>
  );
}
