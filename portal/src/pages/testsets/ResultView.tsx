import { Alert, Button, Group, SegmentedControl, Stack, Table, Text, Title } from "@mantine/core";
import { IconArrowLeft } from "@tabler/icons-react";
import { Link, useSearch, useSearchParams } from "wouter";
import { inWords } from "../../api/errors";
import type { CellOf, Outcome } from "../../api/queries/insight";
import { useAnomalyTagId, useTags } from "../../api/queries/tags";
import { useEvaluatedImages, useTestResult, type Shown, type TestResult, type TestSet } from "../../api/queries/testSets";
import { cellOfText, cellText, cellTitle } from "../../components/matrix/cell";
import { MatrixTable } from "../../components/matrix/MatrixTable";
import { Moment } from "../../components/Moment";
import { Loaded } from "../../components/states";
import { together } from "../../components/together";
import { useSetParameters, useThresholds } from "../../components/thresholds/address";
import { count, percent } from "../../lib/format";
import { ImageCards } from "./ImageCards";
import { InspectionTable } from "./InspectionTable";
import { OutcomeButton } from "./OutcomeButton";
import styles from "./testsets.module.css";
import { useEvaluate } from "./useEvaluate";

interface Props {
  projectId: string;
  testSet: TestSet;
  iterationId: string;
}

/** One iteration on one test set: figures of each tag, the matrix, and the images, wrong ones first. */
export function ResultView({ projectId, testSet, iterationId }: Props) {
  const thresholds = useThresholds();
  const result = useTestResult(projectId, testSet.id, iterationId, thresholds);
  const anomalyTagId = useAnomalyTagId(projectId);
  const complete = together(result, useTags(projectId));
  const search = useSearch();
  const evaluation = useEvaluate(projectId, testSet.id);
  return (
    <Stack gap="lg">
      <Button
        component={Link}
        href={`/projects/${projectId}/testsets/${testSet.id}${search && `?${search}`}`}
        variant="subtle"
        size="compact-sm"
        leftSection={<IconArrowLeft size={16} />}
        w="fit-content"
        maw="100%"
        title={testSet.name}
        className={styles.back}
      >
        <bdi>{testSet.name}</bdi>
      </Button>
      <Loaded query={complete}>
        {(found) => (
          <>
            <header>
              <Title order={1} size="h3" className={styles.name} title={found.iterationName}>
                <bdi>{found.iterationName}</bdi>
              </Title>
              <Text size="sm" c="dimmed">
                {found.evaluated === null ? (
                  "It was not evaluated yet."
                ) : (
                  <>
                    {anomalyTagId === undefined &&
                      `Precision ${percent(found.perTag.some(isPredicted) ? found.precision : null)}, recall ${percent(found.recall)}, AP ${percent(found.averagePrecision)} on `}
                    {count(found.imageCount, "image")}; {(found.wrongImageCount ?? 0).toLocaleString()} wrong. Evaluated{" "}
                    <Moment value={found.evaluated} />.
                  </>
                )}
              </Text>
            </header>
            {found.isStale && (
              <Alert color="yellow" title="The test set was changed since">
                <Button
                  size="xs"
                  variant="default"
                  loading={found.status === "Waiting" || evaluation.isPending}
                  onClick={() => evaluation.mutate([iterationId])}
                >
                  Evaluate again
                </Button>
              </Alert>
            )}
            {evaluation.error && (
              <Alert color="red" role="alert" title="The evaluation was not started">
                {inWords(evaluation.error)}
              </Alert>
            )}
            {found.trainedImageCount > 0 && (
              <Alert color="yellow" title={`${count(found.trainedImageCount, "image")} of the test set were in the training`}>
                The iteration was trained with them, so that these figures are too good.
              </Alert>
            )}
            {found.evaluated !== null && <Found projectId={projectId} testSet={testSet} result={found} />}
          </>
        )}
      </Loaded>
    </Stack>
  );
}

const SHOWN: readonly Shown[] = ["Wrong", "All", "Right"];

function Found({ projectId, testSet, result }: { projectId: string; testSet: TestSet; result: TestResult }) {
  const thresholds = useThresholds();
  const [parameters] = useSearchParams();
  const setParameters = useSetParameters();
  const cell = cellOfText(parameters.get("cell"));
  const show = SHOWN.find((each) => each === parameters.get("show")) ?? "Wrong";
  const images = useEvaluatedImages(projectId, testSet.id, result.iterationId, thresholds, cell ? "All" : show, cell);
  const choose = (next: CellOf | null) => setParameters({ cell: next && cellText(next) });
  const anomalyTagId = useAnomalyTagId(projectId);
  const anomaly = result.perTag.find((each) => each.tagId === anomalyTagId);
  return (
    <>
      {anomaly ? (
        <InspectionTable anomaly={anomaly} imageCount={result.imageCount} chosen={cell} onChoose={choose} />
      ) : (
        <TagTable result={result} chosen={cell} onChoose={choose} />
      )}
      {!anomaly && result.counts && (
        <section>
          <Title order={2} size="h4" mb="sm">
            Confusion matrix
          </Title>
          <MatrixTable matrix={result} counts={result.counts} chosen={cell} onChoose={choose} />
        </section>
      )}
      <section aria-label="Images">
        <Group justify="space-between" mb="sm">
          <Title order={2} size="h4">
            {cell ? cellTitle(cell, (id) => result.tags.find((tag) => tag.id === id)?.name ?? "deleted tag", result.type === "ObjectDetection") : "Images, the worst first"}
          </Title>
          {cell ? (
            <Button size="xs" variant="default" onClick={() => choose(null)}>
              Show all wrong images
            </Button>
          ) : (
            <SegmentedControl
              size="xs"
              aria-label="Which images"
              data={[...SHOWN]}
              value={show}
              onChange={(next) => setParameters({ show: next === "Wrong" ? null : next })}
            />
          )}
        </Group>
        <Loaded query={images}>
          {(pages) => (
            <ImageCards
              images={pages.pages.flatMap((page) => page.images)}
              total={pages.pages[0]?.imageCount ?? 0}
              threshold={thresholds.threshold}
              anomalyTagId={anomaly?.tagId}
              hasMore={images.hasNextPage}
              isLoading={images.isFetchingNextPage}
              onMore={() => void images.fetchNextPage()}
            />
          )}
        </Loaded>
      </section>
    </>
  );
}

/** Whether the tag is predicted for any image at the threshold; otherwise there is no precision. */
function isPredicted(tag: TestResult["perTag"][number]): boolean {
  return tag.count - tag.falseNegatives + tag.falsePositives > 0;
}

const OUTCOMES: readonly (readonly [Outcome, "falsePositives" | "falseNegatives", string])[] = [
  ["FalsePositive", "falsePositives", "wrong predictions"],
  ["FalseNegative", "falseNegatives", "missed"],
];

function TagTable({ result, chosen, onChoose }: { result: TestResult; chosen: CellOf | null; onChoose: (cell: CellOf) => void }) {
  return (
    <Table.ScrollContainer minWidth={560} className={styles.measured}>
      <Table verticalSpacing={4} highlightOnHover className={styles.figures} aria-label="Figures of each tag">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Tag</Table.Th>
            <Table.Th ta="right">Precision</Table.Th>
            <Table.Th ta="right">Recall</Table.Th>
            <Table.Th ta="right">AP</Table.Th>
            <Table.Th ta="right">{result.type === "ObjectDetection" ? "Objects" : "Images"}</Table.Th>
            <Table.Th ta="right">Wrong</Table.Th>
            <Table.Th ta="right">Missed</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {result.perTag.map((tag) => (
            <Table.Tr key={tag.tagId}>
              <Table.Td className={styles.cut} title={tag.tagName}>
                <bdi>{tag.tagName}</bdi>
                {!tag.isTrained && (
                  <Text span size="xs" c="dimmed">
                    {" "}
                    not of this iteration
                  </Text>
                )}
              </Table.Td>
              <Table.Td ta="right">{percent(isPredicted(tag) ? tag.precision : null)}</Table.Td>
              <Table.Td ta="right">{percent(tag.recall)}</Table.Td>
              <Table.Td ta="right">{percent(tag.averagePrecision)}</Table.Td>
              <Table.Td ta="right">{tag.count.toLocaleString()}</Table.Td>
              {OUTCOMES.map(([outcome, name, words]) => (
                <Table.Td key={outcome} ta="right">
                  <OutcomeButton
                    number={tag[name]}
                    label={`${tag[name]} ${words} of ${tag.tagName}`}
                    cell={{ tagId: tag.tagId, outcome }}
                    chosen={chosen}
                    onChoose={onChoose}
                  />
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
