import { NumberInput, SegmentedControl, Stack, Text } from "@mantine/core";
import type { Share } from "../../../api/queries/rollouts";

/** What is being typed: the percentage may be missing. */
export interface ShareDraft {
  isShadow: boolean;
  percent: number | string;
}

/** undefined where the percentage is missing or out of its bounds. */
export function shareOf({ isShadow, percent }: ShareDraft): Share | undefined {
  if (isShadow) return { percent: null };
  return typeof percent === "number" && percent >= 0 && percent <= 100 ? { percent } : undefined;
}

/** Shadow mode, or the percentage of requests that the candidate answers. */
export function ShareFields({ value, onChange }: { value: ShareDraft; onChange: (next: ShareDraft) => void }) {
  return (
    <Stack gap="xs">
      <SegmentedControl
        aria-label="Mode"
        w="fit-content"
        maw="100%"
        value={value.isShadow ? "shadow" : "percentage"}
        onChange={(next) => onChange({ ...value, isShadow: next === "shadow" })}
        data={[
          { value: "shadow", label: "Shadow" },
          { value: "percentage", label: "Percentage" },
        ]}
      />
      <Text size="sm" c="dimmed">
        {value.isShadow
          ? "The published iteration answers all requests. The new one scores the same images afterwards, and both results are compared."
          : "The new iteration answers this part of the requests. Where it fails, the published one answers."}
      </Text>
      {!value.isShadow && (
        <NumberInput
          label="Percentage of the requests"
          suffix="%"
          w={280}
          min={0}
          max={100}
          clampBehavior="none"
          decimalScale={2}
          value={value.percent}
          onChange={(percent) => onChange({ ...value, percent })}
          error={shareOf(value) ? null : "A number of 0 to 100."}
        />
      )}
    </Stack>
  );
}
