import { Alert, Anchor, Text } from "@mantine/core";
import { IconAlertTriangle, IconCheck, IconPlayerStop } from "@tabler/icons-react";
import { Link } from "wouter";
import { withoutCode } from "../../api/errors";
import type { Iteration } from "../../api/queries/iterations";
import { Moment } from "../../components/Moment";
import { named } from "../../lib/format";
import { wasStopped } from "./iterationState";

/** How the last training ended: where its results are, or why it failed. */
export function LastTraining({ projectId, iteration }: { projectId: string; iteration: Iteration }) {
  if (iteration.status === "Completed")
    return (
      <Alert color="green" icon={<IconCheck />} title={`${named(iteration.name)} is trained`}>
        {iteration.trainedAt && (
          <>
            Trained <Moment value={iteration.trainedAt} />.{" "}
          </>
        )}
        <Anchor component={Link} href={`/projects/${projectId}/results/${iteration.id}`} underline="always" size="sm" c="var(--mantine-color-text)">
          See how good it is, and which images it gets wrong
        </Anchor>
      </Alert>
    );
  if (wasStopped(iteration))
    return (
      <Alert color="gray" icon={<IconPlayerStop />} title={`The training of ${named(iteration.name)} was stopped`}>
        You can train again at once. The iteration can be deleted on its{" "}
        <Anchor component={Link} href={`/projects/${projectId}/results/${iteration.id}`} underline="always" size="sm" c="var(--mantine-color-text)">
          page of results
        </Anchor>
        .
      </Alert>
    );
  return (
    <Alert color="red" icon={<IconAlertTriangle />} title={`The training of ${named(iteration.name)} failed`}>
      <Text size="sm" style={{ overflowWrap: "anywhere" }}>
        {iteration.trainingErrorDetails ? withoutCode(iteration.trainingErrorDetails) : "The reason is in the log of the emulator."}
      </Text>
      <Text size="sm" mt={4}>
        When the cause is gone, train again. Iterations that were trained before do not change.
      </Text>
    </Alert>
  );
}
