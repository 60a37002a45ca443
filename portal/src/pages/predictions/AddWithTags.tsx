import { Button, MultiSelect, Popover, Stack } from "@mantine/core";
import { IconPhotoPlus } from "@tabler/icons-react";
import { useState } from "react";
import { useProjectKind } from "../../api/queries/projects";
import { useTags } from "../../api/queries/tags";
import { optionsOf } from "../../components/options";

/** A button that makes training images of the selection, with tags for all. */
export function AddWithTags({ projectId, onAdd }: { projectId: string; onAdd: (tagIds: readonly string[]) => void }) {
  const [opened, setOpened] = useState(false);
  const [tagIds, setTagIds] = useState<string[]>([]);
  return (
    <Popover opened={opened} onChange={setOpened} trapFocus withArrow width={320} shadow="md">
      <Popover.Target>
        <Button leftSection={<IconPhotoPlus size={16} />} onClick={() => setOpened(!opened)}>
          Add to training
        </Button>
      </Popover.Target>
      <Popover.Dropdown aria-label="Add to the training images">
        <Stack>
          <TagChoice projectId={projectId} value={tagIds} onChange={setTagIds} />
          <Button
            onClick={() => {
              setOpened(false);
              onAdd(tagIds);
            }}
          >
            {tagIds.length ? "Add with these tags" : "Add without tags"}
          </Button>
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}

interface TagChoiceProps {
  projectId: string;
  value: string[];
  onChange: (tagIds: string[]) => void;
}

/** Tags of an image: one in a multiclass project. */
export function TagChoice({ projectId, value, onChange }: TagChoiceProps) {
  const { isMulticlass } = useProjectKind(projectId);
  const tags = useTags(projectId).data ?? [];
  return (
    <MultiSelect
      label={isMulticlass ? "Tag" : "Tags"}
      searchable
      hidePickedOptions
      comboboxProps={{ withinPortal: false }}
      data={optionsOf(tags)}
      value={value}
      onChange={(next) => onChange(isMulticlass ? next.slice(-1) : next)}
    />
  );
}
