import { Group, NativeSelect, Stack } from "@mantine/core";
import { useSearchParams } from "wouter";
import { useCalibration, usePrecisionRecall } from "../../../api/queries/insight";
import { Loaded } from "../../../components/states";
import { useSetParameters, useThresholds } from "../../../components/thresholds/address";
import type { ResultsTabProps } from "../tabs";
import { CalibrationPanel } from "./CalibrationPanel";
import styles from "./curves.module.css";
import { PrecisionRecallPanel } from "./PrecisionRecallPanel";

/** Precision and recall at every threshold, and how far probabilities can be taken literally. */
export default function CurvesTab({ projectId, iteration }: ResultsTabProps) {
  const { overlapThreshold } = useThresholds();
  const [parameters] = useSearchParams();
  const setParameters = useSetParameters();
  const curves = usePrecisionRecall(projectId, iteration.id, overlapThreshold);
  const calibration = useCalibration(projectId, iteration.id, overlapThreshold);
  const tagId = parameters.get("tag") ?? "";
  return (
    <Loaded query={curves}>
      {(curve) => (
        <Stack gap="md">
          <Group>
            <NativeSelect
              aria-label="Tag"
              size="xs"
              maw={280}
              value={curve.perTag.some((each) => each.tagId === tagId) ? tagId : ""}
              onChange={(event) => setParameters({ tag: event.currentTarget.value || null })}
              data={[
                { value: "", label: "All tags together" },
                ...curve.perTag.map((each) => ({ value: each.tagId, label: each.tagName.slice(0, 80) })),
              ]}
            />
          </Group>
          <div className={styles.panels}>
            <PrecisionRecallPanel curve={curve.perTag.find((each) => each.tagId === tagId) ?? curve} />
            <Loaded query={calibration}>
              {(all) => <CalibrationPanel calibration={all.perTag.find((each) => each.tagId === tagId) ?? all} />}
            </Loaded>
          </div>
        </Stack>
      )}
    </Loaded>
  );
}
