import { Group, Radio, Stack, Text } from "@mantine/core";
import type { TaggingStatus } from "../../lib/imageFilter";
import classes from "./images.module.css";

interface Props {
  status: TaggingStatus;
  counts: Record<TaggingStatus, number | undefined>;
  onStatus: (status: TaggingStatus) => void;
}

const LABELS: Record<TaggingStatus, string> = { All: "All images", Tagged: "Tagged", Untagged: "Untagged" };

/** All, tagged or untagged images, with their numbers. */
export function StatusFilter({ status, counts, onStatus }: Props) {
  return (
    <Radio.Group aria-label="Tagged or untagged" value={status} onChange={(value) => onStatus(value)}>
      <Stack gap={8}>
        {(Object.keys(LABELS) as TaggingStatus[]).map((each) => (
          <Group key={each} justify="space-between" wrap="nowrap">
            <Radio size="xs" value={each} label={LABELS[each]} />
            <Text size="sm" c="dimmed" className={classes.count} data-testid={`count-${each}`}>
              {counts[each]?.toLocaleString() ?? "\u00a0"}
            </Text>
          </Group>
        ))}
      </Stack>
    </Radio.Group>
  );
}
