import { Group, RangeSlider, Select, Text } from "@mantine/core";
import { useIterations } from "../../api/queries/iterations";
import { useTags } from "../../api/queries/tags";
import { optionsOf } from "../../components/options";
import { percent } from "../../lib/format";
import type { PredictionFilter, PredictionOrder } from "./filter";
import classes from "./predictions.module.css";

const ORDERS: { value: PredictionOrder; label: string }[] = [
  { value: "Suggested", label: "Most informative first" },
  { value: "Newest", label: "Newest first" },
  { value: "Oldest", label: "Oldest first" },
];

interface Props {
  projectId: string;
  filter: PredictionFilter;
  onChange: (changes: Partial<PredictionFilter>) => void;
}

export function FilterBar({ projectId, filter, onChange }: Props) {
  const iterations = useIterations(projectId).data ?? [];
  const tags = useTags(projectId).data ?? [];
  return (
    <Group className={classes.bar} align="flex-end">
      <Select
        label="Iteration"
        placeholder="All iterations"
        clearable
        data={optionsOf(iterations.filter(({ status }) => status === "Completed"))}
        value={filter.iterationId}
        onChange={(iterationId) => onChange({ iterationId })}
        clearButtonProps={{ "aria-label": "All iterations" }}
      />
      <Select
        label="Order"
        data={ORDERS}
        value={filter.order}
        allowDeselect={false}
        onChange={(order) => onChange({ order: order ?? "Suggested" })}
        w={220}
      />
      <Select
        label="Predicted tag"
        placeholder="Any"
        clearable
        searchable
        data={optionsOf(tags)}
        value={filter.tagId}
        onChange={(tagId) => onChange({ tagId, from: 0, to: 1 })}
        clearButtonProps={{ "aria-label": "Any tag" }}
      />
      {filter.tagId && (
        <div className={classes.range}>
          <Text size="sm" fw={500}>
            Probability {percent(filter.from, 0)} to {percent(filter.to, 0)}
          </Text>
          <RangeSlider
            key={filter.tagId}
            min={0}
            max={1}
            step={0.01}
            minRange={0}
            defaultValue={[filter.from, filter.to]}
            onChangeEnd={([from, to]) => onChange({ from, to })}
            label={(value) => percent(value, 0)}
            thumbFromLabel="Lowest probability"
            thumbToLabel="Highest probability"
          />
        </div>
      )}
    </Group>
  );
}
