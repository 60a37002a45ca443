import { Alert, Badge, Button, Checkbox, Group, Menu, Progress, Table, Text, Title } from "@mantine/core";
import { IconArrowsDiff, IconDownload, IconPlayerPlay } from "@tabler/icons-react";
import { useState } from "react";
import { Link, useSearch } from "wouter";
import { inWords } from "../../api/errors";
import { useInstantIterations } from "../../api/queries/instant";
import { useIterations, type Iteration } from "../../api/queries/iterations";
import { useProjectKind } from "../../api/queries/projects";
import { csvAddress, useEvaluations, type TestEvaluation, type TestSet } from "../../api/queries/testSets";
import { InstantBadge } from "../../components/iterations/InstantMark";
import { Loaded } from "../../components/states";
import { useThresholds } from "../../components/thresholds/address";
import { count, percent, precisionText } from "../../lib/format";
import styles from "./testsets.module.css";
import { useEvaluate } from "./useEvaluate";

/** Iterations and their figures on a test set; chosen ones are evaluated. */
export function EvaluationTable({ projectId, testSet }: { projectId: string; testSet: TestSet }) {
  const thresholds = useThresholds();
  const iterations = useIterations(projectId);
  const evaluations = useEvaluations(projectId, testSet.id, thresholds);
  return (
    <Loaded query={iterations}>
      {(all) => (
        <Loaded query={evaluations}>
          {(found) => (
            <Evaluations
              projectId={projectId}
              testSet={testSet}
              iterations={all.filter((each) => each.status === "Completed")}
              evaluations={found}
            />
          )}
        </Loaded>
      )}
    </Loaded>
  );
}

interface Props {
  projectId: string;
  testSet: TestSet;
  iterations: readonly Iteration[];
  evaluations: readonly TestEvaluation[];
}

function Evaluations({ projectId, testSet, iterations, evaluations }: Props) {
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const evaluation = useEvaluate(projectId, testSet.id);
  const thresholds = useThresholds();
  const instant = useInstantIterations(projectId);
  const { isAnomaly } = useProjectKind(projectId);
  const byIteration = new Map(evaluations.map((each) => [each.iterationId, each]));
  const pending = iterations.filter((each) => isDue(byIteration.get(each.id))).map((each) => each.id);
  const wanted = chosen.size ? iterations.filter((each) => chosen.has(each.id)).map((each) => each.id) : pending;
  const compared = comparison(projectId, testSet.id, wanted, byIteration);
  const hasResults = evaluations.some((each) => each.evaluated !== null);

  if (iterations.length === 0)
    return (
      <Alert color="gray" title="No trained iterations yet">
        <Button component={Link} size="xs" variant="default" href={`/projects/${projectId}/train`}>
          Train
        </Button>
      </Alert>
    );
  return (
    <section aria-label="Evaluations" className={styles.measured}>
      <Group justify="space-between" mb="xs">
        <Title order={2} size="h4">
          Iterations on this test set
        </Title>
        <Group gap="xs">
          <Menu position="bottom-end">
            <Menu.Target>
              <Button variant="default" leftSection={<IconDownload size={18} />} disabled={!hasResults}>
                CSV
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              {(["Figures", "Images"] as const).map((content) => (
                <Menu.Item key={content} component="a" href={csvAddress(projectId, testSet.id, thresholds, content)} download>
                  {content === "Figures" ? "Figures of each iteration and tag" : "Predictions for each image"}
                </Menu.Item>
              ))}
            </Menu.Dropdown>
          </Menu>
          {compared && (
            <Button component={Link} variant="default" leftSection={<IconArrowsDiff size={18} />} href={compared}>
              Compare
            </Button>
          )}
          <Button leftSection={<IconPlayerPlay size={18} />} disabled={wanted.length === 0} loading={evaluation.isPending} onClick={() => evaluation.mutate(wanted, { onSuccess: () => setChosen(new Set()) })}>
            {chosen.size ? `Evaluate ${count(wanted.length, "iteration")}` : "Evaluate all"}
          </Button>
        </Group>
      </Group>
      {evaluation.error && (
        <Alert color="red" role="alert" mb="xs">
          {inWords(evaluation.error)}
        </Alert>
      )}
      <Table.ScrollContainer minWidth={640}>
        <Table highlightOnHover verticalSpacing={6} className={styles.figures}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th w={36}>
                <span className={styles.hidden}>Chosen</span>
              </Table.Th>
              <Table.Th>Iteration</Table.Th>
              {!isAnomaly && (
                <>
                  <Table.Th ta="right">Precision</Table.Th>
                  <Table.Th ta="right">Recall</Table.Th>
                  <Table.Th ta="right">AP</Table.Th>
                </>
              )}
              <Table.Th ta="right">Wrong images</Table.Th>
              <Table.Th pl="xl">State</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {iterations.map((iteration) => (
              <Row
                key={iteration.id}
                base={`/projects/${projectId}/testsets/${testSet.id}`}
                iteration={iteration}
                evaluation={byIteration.get(iteration.id)}
                isAnomaly={isAnomaly}
                isInstant={instant?.has(iteration.id) ?? false}
                isChosen={chosen.has(iteration.id)}
                onChoose={(is) => {
                  const next = new Set(chosen);
                  if (is) next.add(iteration.id);
                  else next.delete(iteration.id);
                  setChosen(next);
                }}
              />
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </section>
  );
}

/** Where two chosen iterations, the newest first, are compared on the test set; undefined unless both have results. */
function comparison(projectId: string, testSetId: string, chosen: readonly string[], evaluations: ReadonlyMap<string, TestEvaluation>) {
  const [after, before, ...more] = chosen;
  if (!after || !before || more.length > 0 || [after, before].some((id) => evaluations.get(id)?.evaluated == null)) return undefined;
  return `/projects/${projectId}/compare?${new URLSearchParams({ a: before, b: after, testset: testSetId }).toString()}`;
}

/** Whether an evaluation is missing, failed or stale. */
function isDue(evaluation: TestEvaluation | undefined): boolean {
  return evaluation === undefined || evaluation.status === "Failed" || (evaluation.isStale && evaluation.status !== "Waiting");
}

interface RowProps {
  base: string;
  iteration: Iteration;
  evaluation: TestEvaluation | undefined;
  /** Figures of tags say nothing then. */
  isAnomaly: boolean;
  isInstant: boolean;
  isChosen: boolean;
  onChoose: (is: boolean) => void;
}

function Row({ base, iteration, evaluation, isAnomaly, isInstant, isChosen, onChoose }: RowProps) {
  const search = useSearch();
  const query = search && `?${search}`;
  const hasResult = evaluation?.evaluated != null;
  return (
    <Table.Tr>
      <Table.Td>
        <Checkbox aria-label={`Choose ${iteration.name}`} checked={isChosen} onChange={(event) => onChoose(event.currentTarget.checked)} />
      </Table.Td>
      <Table.Td className={styles.cut} title={iteration.name}>
        {hasResult ? <Link href={`${base}/${iteration.id}${query}`}>{iteration.name}</Link> : <bdi>{iteration.name}</bdi>} {isInstant && <InstantBadge short />}
      </Table.Td>
      {!isAnomaly && (
        <>
          <Table.Td ta="right">{precisionText(evaluation?.precision, evaluation?.predictionCount)}</Table.Td>
          <Table.Td ta="right">{percent(evaluation?.recall)}</Table.Td>
          <Table.Td ta="right">{percent(evaluation?.averagePrecision)}</Table.Td>
        </>
      )}
      <Table.Td ta="right">
        {hasResult && evaluation.wrongImageCount !== null ? (
          <Link href={`${base}/${iteration.id}${query}`} aria-label={`${evaluation.wrongImageCount} of ${evaluation.imageCount} wrong with ${iteration.name}`}>
            {evaluation.wrongImageCount.toLocaleString()} of {evaluation.imageCount.toLocaleString()}
          </Link>
        ) : (
          "–"
        )}
      </Table.Td>
      <Table.Td pl="xl">
        <State evaluation={evaluation} />
      </Table.Td>
    </Table.Tr>
  );
}

function State({ evaluation }: { evaluation: TestEvaluation | undefined }) {
  if (!evaluation) return <Text size="sm" c="dimmed">Not evaluated</Text>;
  if (evaluation.status === "Waiting")
    return <Progress aria-label="Progress of the evaluation" value={100 * (evaluation.progress ?? 0)} w={120} />;
  if (evaluation.status === "Failed") return <Text size="sm" c="red">{evaluation.failure}</Text>;
  return (
    <Group gap={6}>
      {evaluation.isStale && (
        <Badge variant="outline" color="yellow" title="The test set was changed since">
          stale
        </Badge>
      )}
      {evaluation.trainedImageCount > 0 && (
        <Text size="xs" c="dimmed">
          {count(evaluation.trainedImageCount, "training image")}
        </Text>
      )}
      {!evaluation.isStale && evaluation.trainedImageCount === 0 && <Text size="sm" c="dimmed">current</Text>}
    </Group>
  );
}
