import { Alert, Box, Button, Center, Group, NativeSelect, SegmentedControl, Stack, Text, Title } from "@mantine/core";
import { IconArrowLeft, IconArrowsExchange } from "@tabler/icons-react";
import { Link, useSearchParams } from "wouter";
import type { PageProps } from "../../app/pages";
import { useInstantIterations } from "../../api/queries/instant";
import { useIterations, type Iteration } from "../../api/queries/iterations";
import { useProjectKind } from "../../api/queries/projects";
import { useAnomalyTagId, useTags } from "../../api/queries/tags";
import { useChangedImages, useComparison, useTestSets, type Change, type Comparison } from "../../api/queries/testSets";
import { choiceOf } from "../../components/iterations/instant";
import { InstantWarning } from "../../components/iterations/InstantMark";
import { EmptyState, Loaded } from "../../components/states";
import { together } from "../../components/together";
import { useSetParameters, useThresholds } from "../../components/thresholds/address";
import { ThresholdControls } from "../../components/thresholds/ThresholdControls";
import { count } from "../../lib/format";
import { ChangedImages } from "./compare/ChangedImages";
import { ComparisonTable } from "./compare/ComparisonTable";
import { inspections } from "./compare/inspection";
import { InspectionTable } from "./compare/InspectionTable";

/** Two iterations compared: figures of each tag, and the images that were gained and lost. */
export default function ComparePage({ projectId }: PageProps) {
  const iterations = useIterations(projectId);
  return (
    <Loaded query={iterations}>
      {(all) => {
        const trained = all.filter((each) => each.status === "Completed");
        return trained.length < 2 ? <TooFew projectId={projectId} /> : <Compare projectId={projectId} iterations={trained} />;
      }}
    </Loaded>
  );
}

function TooFew({ projectId }: { projectId: string }) {
  return (
    <EmptyState
      title="There are no two iterations to compare"
      action={
        <Button component={Link} href={`/projects/${projectId}/train`}>
          Train
        </Button>
      }
    >
      After the next training, this page shows what it made better, and what worse.
    </EmptyState>
  );
}

function Compare({ projectId, iterations }: { projectId: string; iterations: readonly Iteration[] }) {
  const [parameters] = useSearchParams();
  const setParameters = useSetParameters();
  const { isDetection, isAnomaly } = useProjectKind(projectId);
  const instant = useInstantIterations(projectId);
  const sets = useTestSets(projectId).data ?? [];
  const has = (id: string | null) => iterations.some((each) => each.id === id);
  const asked = parameters.get("b") ?? parameters.get("iteration");
  const second = (has(asked) ? asked : iterations[0]?.id) ?? "";
  const before = parameters.get("a");
  const first = (has(before) && before !== second ? before : olderThan(iterations, second)) ?? "";
  const testSetId = sets.some((each) => each.id === parameters.get("testset")) ? parameters.get("testset") : null;
  const options = iterations.map((each) => choiceOf(each, instant));
  return (
    <div className="with-side">
      <Stack className="side" gap="lg">
        <ThresholdControls isDetection={isDetection} isAnomaly={isAnomaly} />
        <NativeSelect
          label="Before"
          value={first}
          data={options.filter((each) => each.value !== second)}
          onChange={(event) => setParameters({ a: event.currentTarget.value })}
        />
        <NativeSelect
          label="After"
          value={second}
          data={options}
          onChange={(event) => setParameters({ b: event.currentTarget.value, iteration: null })}
        />
        <Button
          variant="default"
          leftSection={<IconArrowsExchange size={18} />}
          onClick={() => setParameters({ a: second, b: first, iteration: null })}
        >
          Swap
        </Button>
        <NativeSelect
          label="Compared on"
          value={testSetId ?? ""}
          data={[{ value: "", label: "Cross-validation" }, ...sets.map((each) => ({ value: each.id, label: each.name }))]}
          onChange={(event) => setParameters({ testset: event.currentTarget.value || null })}
        />
      </Stack>
      <div>
        <div className="page">
          {(instant?.has(first) || instant?.has(second)) && (
            <Box mb="md">
              <InstantWarning>The instant trainer made one of these models, for tests only: its figures say nothing about a real training.</InstantWarning>
            </Box>
          )}
          <Compared key={`${first} ${second} ${testSetId}`} projectId={projectId} first={first} second={second} testSetId={testSetId} />
        </div>
      </div>
    </div>
  );
}

/** The newest iteration before the one with this id; the newest other one where there is none. */
function olderThan(iterations: readonly Iteration[], id: string): string | undefined {
  const place = iterations.findIndex((each) => each.id === id);
  return (iterations[place + 1] ?? iterations.find((each) => each.id !== id))?.id;
}

interface ComparedProps {
  projectId: string;
  first: string;
  second: string;
  testSetId: string | null;
}

function Compared({ projectId, first, second, testSetId }: ComparedProps) {
  const thresholds = useThresholds();
  const comparison = useComparison(projectId, second, first, testSetId, thresholds);
  const anomalyTagId = useAnomalyTagId(projectId);
  const complete = together(comparison, useTags(projectId));
  return (
    <Stack gap="lg">
      <header>
        <Button
          component={Link}
          href={`/projects/${projectId}/results/${second}`}
          variant="subtle"
          size="compact-sm"
          leftSection={<IconArrowLeft size={16} />}
          mb="xs"
        >
          Results
        </Button>
        <Title order={1} size="h3">
          Comparison
        </Title>
        {/* A line of its height while it loads, so that nothing moves. */}
        <Text size="sm" c="dimmed">
          {comparison.data ? basis(comparison.data) : "\u00a0"}
        </Text>
      </header>
      <Loaded query={complete}>
        {(found) => {
          const inspected = inspections(found, anomalyTagId);
          return (
            <>
              {found.imageCount === 0 && (
                <Alert color="yellow" title="There is no image that both were measured on">
                  Compare them on a test set: all iterations are measured on the same images there.
                </Alert>
              )}
              {inspected ? <InspectionTable compared={inspected} /> : <ComparisonTable comparison={found} />}
              <Images
                projectId={projectId}
                first={first}
                second={second}
                testSetId={testSetId}
                comparison={found}
                anomalyTagId={inspected && anomalyTagId}
              />
            </>
          );
        }}
      </Loaded>
    </Stack>
  );
}

/** Which images the figures are of. */
function basis(found: Comparison): string {
  const left = [
    found.relabeledImageCount > 0 && `${count(found.relabeledImageCount, "image")} whose labels were changed`,
    found.onlyImageCount > 0 && `${found.onlyImageCount.toLocaleString()} that only the later iteration has`,
    found.onlyOtherImageCount > 0 && `${found.onlyOtherImageCount.toLocaleString()} that only the earlier iteration has`,
  ].filter((part) => part !== false);
  const images = `Compared on ${count(found.imageCount, "image")} ${found.testSetId === null ? "by cross-validation" : "of the test set"}.`;
  return left.length ? `${images} Left out: ${left.join(", ")}.` : images;
}

interface ImagesProps extends ComparedProps {
  comparison: Comparison;
  anomalyTagId: string | undefined;
}

function Images({ projectId, first, second, testSetId, comparison, anomalyTagId }: ImagesProps) {
  const [parameters] = useSearchParams();
  const setParameters = useSetParameters();
  const thresholds = useThresholds();
  const change: Change = parameters.get("change") === "Lost" ? "Lost" : "Gained";
  const images = useChangedImages(projectId, second, first, testSetId, thresholds, change);
  return (
    <section aria-label="Changed images">
      <Group mb="sm" gap="md">
        <Title order={2} size="h4">
          Images
        </Title>
        <SegmentedControl
          size="xs"
          aria-label="Which images"
          value={change}
          onChange={(next) => setParameters({ change: next })}
          data={[
            { value: "Gained", label: `Gained ${comparison.gainedImageCount.toLocaleString()}` },
            { value: "Lost", label: `Lost ${comparison.lostImageCount.toLocaleString()}` },
          ]}
        />
        <Text size="sm" c="dimmed">
          {change === "Gained" ? "Right after, wrong before." : "Wrong after, right before."}
        </Text>
      </Group>
      <Loaded query={images}>
        {(pages) => (
          <Stack>
            <ChangedImages images={pages.pages.flatMap((page) => page.images)} threshold={thresholds.threshold} anomalyTagId={anomalyTagId} />
            {images.hasNextPage && (
              <Center>
                <Button variant="default" loading={images.isFetchingNextPage} onClick={() => void images.fetchNextPage()}>
                  More images
                </Button>
              </Center>
            )}
          </Stack>
        )}
      </Loaded>
    </section>
  );
}
