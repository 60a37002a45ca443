import { Button, Group, SegmentedControl, Text, Title } from "@mantine/core";
import { useMemo, useState } from "react";
import type { CurvePoint } from "../../../api/queries/insight";
import { announce } from "../../../components/announce";
import { percent } from "../../../lib/format";
import { useSetParameters, useThresholds } from "../../../components/thresholds/address";
import { Chart, type Line } from "./Chart";
import { PointTable } from "./PointTable";
import { bestPoint, columns, f1, pointAt } from "./figures";

const OVER_THRESHOLD: readonly Line[] = [
  { label: "Precision", color: "grape" },
  { label: "Recall", color: "blue", dash: [10, 4] },
  { label: "F1", color: "green", dash: [2, 3] },
];
const OVER_RECALL: readonly Line[] = [{ label: "Precision", color: "grape" }];

interface Props {
  curve: { averagePrecision: number; count: number; points: readonly CurvePoint[] };
}

/** Precision and recall by threshold, or against each other; a click chooses the threshold. */
export function PrecisionRecallPanel({ curve }: Props) {
  const { threshold } = useThresholds();
  const setParameters = useSetParameters();
  const [kind, setKind] = useState("threshold");
  const { points } = curve;
  const best = bestPoint(points);
  const here = pointAt(points, threshold);
  const data = useMemo(() => (kind === "threshold" ? columns(points) : byRecall(points)), [points, kind]);

  function choose(value: number): void {
    const rounded = Math.round(value * 100) / 100;
    setParameters({ threshold: String(rounded) });
    announce(`Probability threshold ${Math.round(rounded * 100)}%`);
  }

  return (
    <section aria-labelledby="precision-recall">
      <Group justify="space-between" mb="xs">
        <Title order={2} size="h5" id="precision-recall">
          Precision and recall
        </Title>
        <SegmentedControl
          aria-label="Chart"
          size="xs"
          value={kind}
          onChange={setKind}
          data={[
            { value: "threshold", label: "By threshold" },
            { value: "recall", label: "Against each other" },
          ]}
        />
      </Group>
      <Chart
        label={`Precision and recall; average precision ${percent(curve.averagePrecision)}. The values are in the table below.`}
        data={data}
        lines={kind === "threshold" ? OVER_THRESHOLD : OVER_RECALL}
        xLabel={kind === "threshold" ? "Probability threshold" : "Recall"}
        hasValues={here !== undefined}
        yLabel={kind === "threshold" ? "Share" : "Precision"}
        {...(kind === "threshold" ? { marked: threshold, onPick: choose } : here ? { marked: here.recall } : {})}
      />
      <Text size="sm" mt="xs">
        {here
          ? `At ${Math.round(threshold * 100)}%: predictions are right in ${percent(here.precision)} of cases, and ${percent(here.recall)} of what is there is found.`
          : `No prediction reaches ${Math.round(threshold * 100)}%.`}
      </Text>
      {best && (
        <Group gap="xs" mt={4}>
          <Text size="sm">
            Precision and recall are best balanced at {Math.floor(best.threshold * 100)}% (F1 {percent(f1(best))}).
          </Text>
          <Button size="compact-xs" variant="default" onClick={() => choose(Math.floor(best.threshold * 100) / 100)}>
            Use {Math.floor(best.threshold * 100)}%
          </Button>
        </Group>
      )}
      <Text size="xs" c="dimmed" mt={4}>
        {kind === "threshold" ? "A click in the chart sets the threshold. " : ""}Average precision {percent(curve.averagePrecision)}.
      </Text>
      <PointTable points={points} />
    </section>
  );
}

/** Precision over rising recall: the best one of each recall. */
function byRecall(points: readonly CurvePoint[]): number[][] {
  const best = new Map<number, number>();
  for (const { recall, precision } of points) best.set(recall, Math.max(precision, best.get(recall) ?? 0));
  const sorted = [...best].toSorted((a, b) => a[0] - b[0]);
  return [sorted.map(([recall]) => recall), sorted.map(([, precision]) => precision)];
}
