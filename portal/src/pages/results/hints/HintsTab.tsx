import { SegmentedControl, Stack } from "@mantine/core";
import { useSearchParams } from "wouter";
import { useContradictions, useLabelHints } from "../../../api/queries/insight";
import { Loaded } from "../../../components/states";
import { useSetParameters } from "../../../components/thresholds/address";
import type { ResultsTabProps } from "../tabs";
import { Duplicates } from "./Duplicates";
import { HintReview } from "./HintReview";

/** Labels that are probably wrong: by predictions, and by near-duplicates with different tags. */
export default function HintsTab({ projectId, iteration }: ResultsTabProps) {
  const [parameters] = useSearchParams();
  const setParameters = useSetParameters();
  const hints = useLabelHints(projectId, iteration.id);
  const duplicates = useContradictions(projectId, iteration.id);
  const shown = parameters.get("hints") === "duplicates" ? "duplicates" : "predictions";
  return (
    <Stack gap="md">
      <SegmentedControl
        aria-label="Kind of hints"
        size="xs"
        w="fit-content"
        value={shown}
        onChange={(value) => setParameters({ hints: value === "duplicates" ? value : null })}
        data={[
          { value: "predictions", label: `Contradicted by predictions${amount(hints.data?.count)}` },
          { value: "duplicates", label: `Near-duplicates with different tags${amount(duplicates.data?.groupCount)}` },
        ]}
      />
      {shown === "predictions" ? (
        <Loaded query={hints}>{(data) => <HintReview projectId={projectId} iterationId={iteration.id} hints={data} />}</Loaded>
      ) : (
        <Loaded query={duplicates}>{(data) => <Duplicates projectId={projectId} found={data} />}</Loaded>
      )}
    </Stack>
  );
}

function amount(count: number | undefined): string {
  return count === undefined ? "" : `: ${count.toLocaleString()}`;
}
