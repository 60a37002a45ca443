import { Text, Title } from "@mantine/core";
import { useMemo } from "react";
import type { CalibrationBin } from "../../../api/queries/insight";
import { percent } from "../../../lib/format";
import { useThresholds } from "../../../components/thresholds/address";
import { Chart, type Line } from "./Chart";
import styles from "./curves.module.css";
import { calibrationSentence } from "./figures";

const LINES: readonly Line[] = [
  { label: "Right", color: "blue", points: true },
  { label: "Perfect", color: "gray", dash: [6, 4] },
];
/** Errors up to this one are small enough to take probabilities literally. */
const SMALL_ERROR = 0.05;

interface Props {
  calibration: { bins: readonly CalibrationBin[]; count: number; expectedCalibrationError: number };
}

/** Of the predictions with a probability, how many are right. */
export function CalibrationPanel({ calibration: { bins, expectedCalibrationError } }: Props) {
  const { threshold } = useThresholds();
  const data = useMemo(() => points(bins), [bins]);
  const error = percent(expectedCalibrationError);
  return (
    <section aria-labelledby="calibration">
      <Title order={2} size="h5" id="calibration" mb="xs" lh="28px">
        Calibration
      </Title>
      <Chart
        label={`Share of right predictions by their probability; mean error ${error}. The values are in the table below.`}
        data={data}
        lines={LINES}
        xLabel="Probability"
        yLabel="Right"
        marked={threshold}
      />
      <Text size="sm" mt="xs">
        {calibrationSentence(bins, threshold) ?? `There are no predictions with a probability around ${Math.round(threshold * 100)}%.`}
      </Text>
      <Text size="sm" mt={4}>
        Mean error {error}:{" "}
        {expectedCalibrationError <= SMALL_ERROR ? "probabilities can be taken literally." : "take probabilities as a ranking, not literally."}
      </Text>
      <details className={styles.details}>
        <summary>Values as a table</summary>
        <table className={styles.table}>
          <thead>
            <tr>
              <th scope="col">Probability</th>
              <th scope="col">Predictions</th>
              <th scope="col">Right</th>
            </tr>
          </thead>
          <tbody>
            {bins.map((bin) => (
              <tr key={bin.lower}>
                <th scope="row">
                  {Math.round(bin.lower * 100)}% to {Math.round(bin.upper * 100)}%
                </th>
                <td>{bin.count.toLocaleString()}</td>
                <td>{percent(bin.shareRight)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </section>
  );
}

/** The bins at their mean probability, and the diagonal. */
function points(bins: readonly CalibrationBin[]): (number | null)[][] {
  const known = bins.flatMap((bin) => (bin.meanConfidence === null ? [] : [{ x: bin.meanConfidence, y: bin.shareRight }]));
  const all = [{ x: 0, y: null }, ...known.filter(({ x }) => x > 0 && x < 1), { x: 1, y: known.find(({ x }) => x === 1)?.y ?? null }];
  return [all.map(({ x }) => x), all.map(({ y }) => y), all.map(({ x }) => x)];
}
