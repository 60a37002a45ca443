import { NativeSelect } from "@mantine/core";
import type { TaggingStatus } from "../../lib/imageFilter";
import type { Labeling } from "./useLabeling";
import { canBeQueued, type LabelOrder } from "./useSession";
import classes from "./label.module.css";

/** Which images the session has, and in which order. */
export function SessionFilter({ labeling }: { labeling: Labeling }) {
  const { filter, changeFilter, model } = labeling;
  return (
    <div className={classes.filter}>
      <NativeSelect
        size="xs"
        aria-label="Images"
        value={filter.images.status}
        data={[
          { value: "Untagged", label: "Untagged" },
          { value: "Tagged", label: "Tagged" },
          { value: "All", label: "All images" },
        ]}
        onChange={(event) => changeFilter({ status: event.currentTarget.value as TaggingStatus })}
      />
      <NativeSelect
        size="xs"
        aria-label="Order"
        value={filter.order}
        data={[
          { value: "queue", label: "Most useful first", disabled: !canBeQueued(filter.images) },
          { value: "newest", label: "Newest first" },
          { value: "oldest", label: "Oldest first" },
          { value: "uncertain", label: "Most uncertain first", disabled: !model },
          { value: "certain", label: "Most certain first", disabled: !model },
        ]}
        onChange={(event) => changeFilter({ order: event.currentTarget.value as LabelOrder })}
      />
    </div>
  );
}
