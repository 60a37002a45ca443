import { Group, Stack, Title } from "@mantine/core";
import { useState } from "react";
import type { PageProps } from "../../app/pages";
import { RUNNING, useIterations, type Iteration } from "../../api/queries/iterations";
import { isUnfinished, useJobs } from "../../api/queries/jobs";
import { useProjectKind } from "../../api/queries/projects";
import { useTrainedTags, type Tag } from "../../api/queries/tags";
import { Loaded } from "../../components/states";
import { History } from "./History";
import { LastTraining } from "./LastTraining";
import { anomalyReadiness, readiness } from "./readiness";
import { RunningTraining } from "./RunningTraining";
import { TagReadiness } from "./TagReadiness";
import { TrainForm } from "./TrainForm";
import type { TrainingChoice } from "./useTrain";
import styles from "./train.module.css";

const DEFAULT_CHOICE: TrainingChoice = { kind: "Regular", hours: 1, baseId: null, tagIds: [] };

/** Training a model: what it needs, its progress, and the training history. */
export default function TrainPage({ projectId }: PageProps) {
  const tags = useTrainedTags(projectId);
  const iterations = useIterations(projectId);
  return (
    <div className="page">
      <Loaded query={tags}>
        {(allTags) => (
          <Loaded query={iterations}>
            {(all) => <Training projectId={projectId} tags={allTags} iterations={all} />}
          </Loaded>
        )}
      </Loaded>
    </div>
  );
}

function Training({ projectId, tags, iterations }: { projectId: string; tags: readonly Tag[]; iterations: readonly Iteration[] }) {
  const [choice, setChoice] = useState(DEFAULT_CHOICE);
  const { isDetection, isAnomaly } = useProjectKind(projectId);
  const job = useJobs().data?.jobs.find(
    (each) => isUnfinished(each) && each.kind === "training" && each.projectId === projectId,
  );
  const isRunning = job !== undefined || iterations.some((each) => RUNNING.has(each.status));
  const chosen = choice.tagIds.length > 0 ? tags.filter((tag) => choice.tagIds.includes(tag.id)) : tags;
  const state = isAnomaly ? anomalyReadiness(chosen) : readiness(chosen, isDetection);
  const last = iterations[0];
  return (
    <Stack gap="lg">
      <Group justify="space-between">
        <Title order={1} size="h3">
          Train
        </Title>
      </Group>
      {job && <RunningTraining job={job} />}
      {!isRunning && last && <LastTraining projectId={projectId} iteration={last} />}
      <div className={isRunning ? styles.running : styles.columns}>
        {!isRunning && (
          <TrainForm
            projectId={projectId}
            tags={tags}
            iterations={iterations}
            choice={choice}
            onChange={setChoice}
            isReady={state.problems.length === 0}
          />
        )}
        <TagReadiness projectId={projectId} tags={chosen} state={state} isDetection={isDetection} isAnomaly={isAnomaly} />
      </div>
      <History projectId={projectId} iterations={iterations} />
    </Stack>
  );
}
