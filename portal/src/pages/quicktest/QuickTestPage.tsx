import { Button, Group, Select, Slider, Stack, Switch, Text, Title } from "@mantine/core";
import { useState } from "react";
import { Link, useSearchParams } from "wouter";
import type { PageProps } from "../../app/pages";
import { usePredictionTime } from "../../api/queries/information";
import { useInstantIterations } from "../../api/queries/instant";
import { useIterations, type Iteration } from "../../api/queries/iterations";
import { useProjectKind } from "../../api/queries/projects";
import { choiceOf, preferred } from "../../components/iterations/instant";
import { InstantWarning } from "../../components/iterations/InstantMark";
import { ANOMALY_FROM } from "../../components/anomalies/score";
import { EmptyState, Loaded } from "../../components/states";
import { ThresholdSlider } from "../../components/thresholds/ThresholdSlider";
import { percent } from "../../lib/format";
import { ImageInput } from "./ImageInput";
import { Result } from "./Result";
import { TestList } from "./TestList";
import { useTests } from "./useTests";
import classes from "./quicktest.module.css";

/** Threshold of the boxes that are shown at first, as in the service's portal. */
const SHOWN_FROM = 0.15;

/** Try a model out on images that are given here. */
export default function QuickTestPage({ projectId }: PageProps) {
  const iterations = useIterations(projectId);
  return (
    <Loaded query={iterations}>
      {(all) => {
        const trained = all.filter((each) => each.status === "Completed");
        if (trained.length === 0)
          return (
            <EmptyState
              title="There is no trained model yet"
              action={
                <Button component={Link} href={`/projects/${projectId}/train`}>
                  Train
                </Button>
              }
            >
              Train the project first; then any image can be tried out here.
            </EmptyState>
          );
        return <QuickTest projectId={projectId} trained={trained} />;
      }}
    </Loaded>
  );
}

function QuickTest({ projectId, trained }: { projectId: string; trained: readonly Iteration[] }) {
  const [address, setAddress] = useSearchParams();
  const { isDetection, isAnomaly } = useProjectKind(projectId);
  const asked = address.get("iteration");
  const instant = useInstantIterations(projectId);
  const predictionTime = usePredictionTime();
  const iterationId = (trained.find(({ id }) => id === asked) ?? preferred(trained, instant ?? new Set()))?.id ?? "";
  const [store, setStore] = useState(true);
  const [threshold, setThreshold] = useState(SHOWN_FROM);
  const [anomalyFrom, setAnomalyFrom] = useState(ANOMALY_FROM);
  const [currentId, setCurrentId] = useState<number | null>(null);
  const { tested, add, remove, clear } = useTests({ projectId, iterationId, store });
  const current = tested.find(({ image }) => image.id === currentId) ?? tested.at(-1);

  return (
    <div className={`with-side ${classes.page ?? ""}`}>
      <aside className="side">
        <Stack>
          <Title order={1} size="h4">
            Quick test
          </Title>
          <Select
            label="Model"
            data={trained.map((each) => choiceOf(each, instant))}
            value={iterationId}
            allowDeselect={false}
            onChange={(value) =>
              setAddress((before) => {
                before.set("iteration", value ?? "");
                return before;
              })
            }
          />
          {instant?.has(iterationId) && (
            <InstantWarning>The instant trainer made this model, for tests only: what it predicts says nothing about real images.</InstantWarning>
          )}
          <ImageInput onImages={(sources) => setCurrentId(add(sources).at(-1)?.id ?? null)} />
          <Switch
            label="Keep among the predictions"
            description={`Kept for ${predictionTime}; can be added to the training images`}
            checked={store}
            onChange={(event) => setStore(event.currentTarget.checked)}
          />
          {isDetection && (
            <div>
              <Text size="sm" fw={500} id="shown-from">
                Boxes from {percent(threshold, 0)}
              </Text>
              <Slider
                min={0}
                max={1}
                step={0.01}
                value={threshold}
                onChange={setThreshold}
                label={(value) => percent(value, 0)}
                thumbLabel="Lowest probability of a box"
              />
            </div>
          )}
          {isAnomaly && (
            <ThresholdSlider
              label="Anomaly from"
              description="An image counts as an anomaly from this probability."
              value={anomalyFrom}
              onChange={setAnomalyFrom}
            />
          )}
          {tested.length > 0 && (
            <>
              <Group justify="space-between">
                <Text size="sm" fw={500}>
                  Tested
                </Text>
                <Button variant="subtle" size="compact-xs" onClick={clear}>
                  Clear the list
                </Button>
              </Group>
              <TestList tested={tested} currentId={current?.image.id ?? null} onCurrent={setCurrentId} onRemove={remove} />
            </>
          )}
        </Stack>
      </aside>
      <section aria-label="Result" className={classes.result}>
        {current ? (
          <Result
            key={current.image.id}
            projectId={projectId}
            iterationId={iterationId}
            image={current.image}
            query={current.query}
            threshold={isDetection ? threshold : isAnomaly ? anomalyFrom : 0}
            isDetection={isDetection}
            isAnomaly={isAnomaly}
          />
        ) : (
          <div className={classes.nothing}>
            <EmptyState title="Drop images here">Or choose files, paste an image, or give the address of one.</EmptyState>
          </div>
        )}
      </section>
    </div>
  );
}
