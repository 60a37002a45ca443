import { Alert, Button, Group, Loader, Stack, Text } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { Link } from "wouter";
import { withoutCode } from "../../../api/errors";
import type { Iteration } from "../../../api/queries/iterations";
import { isUnfinished, useJobs } from "../../../api/queries/jobs";
import { JobProgress } from "../../../components/jobs/JobProgress";

/** An iteration without results: it is in training, or its training failed. */
export function NotCompleted({ projectId, iteration }: { projectId: string; iteration: Iteration }) {
  const train = `/projects/${projectId}/train`;
  if (iteration.status === "Failed")
    return (
      <Alert color="red" icon={<IconAlertTriangle />} title="The training failed" maw={800}>
        <Stack align="flex-start" gap="sm">
          <Text size="sm" style={{ overflowWrap: "anywhere" }}>
            {iteration.trainingErrorDetails ? withoutCode(iteration.trainingErrorDetails) : "The reason is in the log of the emulator."}
          </Text>
          <Button component={Link} href={train} size="xs" variant="default">
            Train again
          </Button>
        </Stack>
      </Alert>
    );
  return <InTraining iterationId={iteration.id} train={train} />;
}

function InTraining({ iterationId, train }: { iterationId: string; train: string }) {
  const job = useJobs().data?.jobs.find((each) => each.iterationId === iterationId && isUnfinished(each));
  return (
    <Stack gap="sm" maw={600}>
      <Text role="status">The iteration is in training. Its results appear here when it is done.</Text>
      {job ? <JobProgress job={job} /> : <Loader size="sm" role="img" aria-label="In training" />}
      <Group>
        <Button component={Link} href={train} variant="default">
          Go to training
        </Button>
      </Group>
    </Stack>
  );
}
