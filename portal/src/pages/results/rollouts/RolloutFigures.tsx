import { Table, Text } from "@mantine/core";
import type { Rollout, RolloutSide } from "../../../api/queries/rollouts";
import { count, percent } from "../../../lib/format";
import styles from "./rollouts.module.css";

const milliseconds = (value: number | null) => (value === null ? "–" : `${value.toFixed(value < 10 ? 1 : 0)} ms`);

const ROWS: readonly (readonly [string, (side: RolloutSide) => string])[] = [
  ["Scored images", (side) => side.predictionCount.toLocaleString()],
  ["Errors", (side) => side.failureCount.toLocaleString()],
  ["Mean confidence", (side) => percent(side.meanConfidence)],
  ["Mean time", (side) => milliseconds(side.meanMilliseconds)],
  ["Longest time", (side) => milliseconds(side.maxMilliseconds)],
];

/** The figures of both iterations beside each other, and how often their results are the same. */
export function RolloutFigures({ rollout, isDetection }: { rollout: Rollout; isDetection: boolean }) {
  const { current, candidate, comparison } = rollout;
  const sides = [current, candidate];
  return (
    <>
      <Table.ScrollContainer minWidth={380}>
        <Table verticalSpacing={4} maw={640} className={styles.figures} aria-label="Figures of both iterations">
          <Table.Thead>
            <Table.Tr>
              <Table.Th scope="col">Figure</Table.Th>
              {sides.map((side) => (
                <Table.Th key={side.iterationId} scope="col" ta="right" className={styles.name} title={side.iterationName ?? undefined}>
                  <bdi>{side.iterationName ?? "deleted iteration"}</bdi>
                  <Text span size="xs" c="dimmed" display="block" fw={400}>
                    {side === current ? "published" : "new"}
                  </Text>
                </Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {ROWS.map(([name, text]) => (
              <Table.Tr key={name}>
                <Table.Th scope="row" fw={400}>
                  {name}
                </Table.Th>
                {sides.map((side) => (
                  <Table.Td key={side.iterationId} ta="right">
                    {text(side)}
                  </Table.Td>
                ))}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      <Text size="sm" data-testid="agreement">
        {agreementText(comparison)}
        {isDetection && comparison.imageCount > 0 && ` ${boxesText(comparison)}`}
        {comparison.droppedImageCount > 0 && ` ${count(comparison.droppedImageCount, "image")} left out, since too many waited.`}
      </Text>
    </>
  );
}

function agreementText({ imageCount, agreedImageCount, agreement }: Rollout["comparison"]): string {
  if (imageCount === 0) return "No image was scored by both yet: results are compared in shadow mode.";
  return `Same result: ${percent(agreement)}, ${agreedImageCount.toLocaleString()} of ${count(imageCount, "image")}.`;
}

function boxesText({ matchedBoxCount, currentBoxCount, candidateBoxCount }: Rollout["comparison"]): string {
  return `Objects: ${matchedBoxCount.toLocaleString()} found by both, ${currentBoxCount.toLocaleString()} by the published iteration alone, ${candidateBoxCount.toLocaleString()} by the new one alone.`;
}
