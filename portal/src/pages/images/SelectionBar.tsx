import { Button, CloseButton, Text } from "@mantine/core";
import { IconTag, IconTagOff, IconTrash } from "@tabler/icons-react";
import type { Tag } from "../../api/queries/tags";
import { TagPicker } from "./TagPicker";
import { PermittedButton } from "../../components/PermittedButton";
import classes from "./images.module.css";

interface Props {
  selected: number;
  total: number;
  ordered: readonly Tag[];
  onTag: (tag: Tag) => void;
  onUntag: (tag: Tag) => void;
  onCreate: (name: string) => void;
  onDelete: () => void;
  onAll: () => void;
  onNone: () => void;
  picking: "tag" | "untag" | null;
  onPicking: (picking: "tag" | "untag" | null) => void;
}

/** What can be done with the selected images. */
export function SelectionBar(props: Props) {
  const { selected, total, ordered, onTag, onUntag, onCreate, onDelete, onAll, onNone, picking, onPicking } = props;
  return (
    <div className={`${classes.bar} ${classes.selected}`} role="toolbar" aria-label="Selected images">
      <CloseButton aria-label="Select none" onClick={onNone} />
      <Text className={classes.count} fw={600} role="status" data-testid="selected-count">
        {selected.toLocaleString()} selected
      </Text>
      {selected < total && (
        <Button variant="subtle" onClick={onAll}>
          Select all {total.toLocaleString()}
        </Button>
      )}
      <TagPicker
        action="gridTag"
        label="Tag"
        icon={<IconTag size={18} />}
        tags={ordered}
        ordered={ordered}
        onPick={onTag}
        onCreate={onCreate}
        opened={picking === "tag"}
        onOpened={(opened) => onPicking(opened ? "tag" : null)}
      />
      <TagPicker
        action="gridUntag"
        label="Remove tag"
        icon={<IconTagOff size={18} />}
        tags={ordered}
        ordered={ordered}
        onPick={onUntag}
        opened={picking === "untag"}
        onOpened={(opened) => onPicking(opened ? "untag" : null)}
      />
      <PermittedButton operation="DeleteImages" variant="default" color="red" leftSection={<IconTrash size={18} />} onClick={onDelete}>
        Delete
      </PermittedButton>
    </div>
  );
}
