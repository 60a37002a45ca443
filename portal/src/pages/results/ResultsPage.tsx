import { Button, Stack } from "@mantine/core";
import { Link, useRoute, useSearch } from "wouter";
import type { PageProps } from "../../app/pages";
import { useIterations, type Iteration } from "../../api/queries/iterations";
import { detectsAnomalies, useDomains, useProjectKind } from "../../api/queries/projects";
import { useRollouts } from "../../api/queries/rollouts";
import { EmptyState, Loaded } from "../../components/states";
import { together } from "../../components/together";
import { ThresholdControls } from "../../components/thresholds/ThresholdControls";
import { IterationHeader } from "./iterations/IterationHeader";
import { IterationList } from "./iterations/IterationList";
import { NotCompleted } from "./iterations/NotCompleted";
import { ResultTabs } from "./ResultTabs";

/** What each iteration of the project learned: figures, and the images behind them. */
export default function ResultsPage({ projectId }: PageProps) {
  const iterations = useIterations(projectId);
  // Roll-outs are above the figures, which would move when they came later.
  const complete = together(iterations, useRollouts(projectId));
  return (
    <Loaded query={complete}>
      {(all) => (all.length === 0 ? <NotTrained projectId={projectId} /> : <Results projectId={projectId} iterations={all} />)}
    </Loaded>
  );
}

function NotTrained({ projectId }: { projectId: string }) {
  return (
    <EmptyState
      title="No iterations yet"
      action={
        <Button component={Link} href={`/projects/${projectId}/train`}>
          Train
        </Button>
      }
    >
      Each training makes an iteration. Its precision, recall and the images that it gets wrong appear here.
    </EmptyState>
  );
}

function Results({ projectId, iterations }: { projectId: string; iterations: readonly Iteration[] }) {
  const [, route] = useRoute("/projects/:projectId/results/:iterationId");
  const search = useSearch();
  const { isDetection: projectDetects } = useProjectKind(projectId);
  const domains = useDomains().data;
  const named = route?.iterationId;
  const selected = named === undefined ? newest(iterations) : iterations.find((each) => each.id === named);
  const domain = domains?.find((each) => each.id === selected?.domainId);
  const isDetection = domain ? domain.type === "ObjectDetection" : projectDetects;
  const isAnomaly = detectsAnomalies(domain);
  return (
    <div className="with-side">
      <Stack className="side" gap="lg">
        <ThresholdControls isDetection={isDetection} isAnomaly={isAnomaly} />
        <IterationList
          projectId={projectId}
          iterations={iterations}
          selectedId={selected?.id}
          search={search && `?${search}`}
        />
      </Stack>
      <div>
        <div className="page">
          {selected ? (
            <Stack gap="md">
              <IterationHeader
                projectId={projectId}
                iteration={selected}
                iterations={iterations}
                domain={domain}
                isDetection={isDetection}
              />
              {selected.status === "Completed" ? (
                <ResultTabs
                  key={selected.id}
                  projectId={projectId}
                  iteration={selected}
                  isDetection={isDetection}
                  isAnomaly={isAnomaly}
                  isMulticlass={!isDetection && selected.classificationType === "Multiclass"}
                />
              ) : (
                <NotCompleted projectId={projectId} iteration={selected} />
              )}
            </Stack>
          ) : (
            <EmptyState title="This iteration does not exist">
              It was perhaps deleted in another window. Choose another one in the list.
            </EmptyState>
          )}
        </div>
      </div>
    </div>
  );
}

/** The newest completed iteration; the newest of all where none is completed. */
function newest(iterations: readonly Iteration[]): Iteration | undefined {
  return iterations.find((each) => each.status === "Completed") ?? iterations[0];
}
