import { Stack } from "@mantine/core";
import { announce } from "../announce";
import { useKeys } from "../../keyboard/useKeys";
import { useSetParameters, useThresholds } from "./address";
import { ThresholdSlider } from "./ThresholdSlider";

const STEP = 0.05;

/** The next multiple of the step below or above. */
function stepped(value: number, direction: -1 | 1): number {
  const steps = value / STEP;
  const next = direction > 0 ? Math.floor(steps + 1e-9) + 1 : Math.ceil(steps - 1e-9) - 1;
  return Math.min(1, Math.max(0, Number((next * STEP).toFixed(2))));
}

/** The thresholds that all figures of the results are calculated at. */
export function ThresholdControls({ isDetection, isAnomaly = false }: { isDetection: boolean; isAnomaly?: boolean }) {
  const { threshold, overlapThreshold } = useThresholds();
  const setParameters = useSetParameters();
  const setThreshold = (value: number) => setParameters({ threshold: String(value) });
  const step = (direction: -1 | 1) => {
    const next = stepped(threshold, direction);
    setThreshold(next);
    announce(`Probability threshold ${Math.round(next * 100)}%`);
  };
  useKeys({ lowerThreshold: () => step(-1), higherThreshold: () => step(1) });
  return (
    <Stack gap="md">
      <ThresholdSlider
        label="Probability threshold"
        description={`${isAnomaly ? "An image counts as an anomaly from this probability." : "Predictions count from this probability."} Keys: [ and ]`}
        value={threshold}
        onChange={setThreshold}
      />
      {isDetection && (
        <ThresholdSlider
          label="Overlap threshold"
          description="A box counts as found from this overlap."
          value={overlapThreshold}
          onChange={(value) => setParameters({ overlap: String(value) })}
        />
      )}
    </Stack>
  );
}
