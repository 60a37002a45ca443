import { ActionIcon, Menu } from "@mantine/core";
import { IconArrowDown, IconArrowUp, IconDots, IconPencil, IconTrash } from "@tabler/icons-react";
import type { Tag } from "../../../api/queries/tags";
import { tagStroke } from "../../../components/tagColors";
import { tagAction, TAG_KEYS } from "../../../keyboard/actions";
import { KeyOf, useKeyNames } from "../../../keyboard/KeyOf";
import classes from "./tags.module.css";

interface Props {
  tag: Tag;
  /** Place in the order: the first ten have keys. */
  place: number;
  last: number;
  chosen: boolean;
  readOnly: boolean;
  onToggle: () => void;
  onEdit: () => void;
  onMove: (to: number) => void;
  onDelete: () => void;
}

const TYPE_NAMES: Record<string, string> = { Negative: "negative", GeneralProduct: "general product" };

/** A tag: a click shows its images; the menu has the rest. */
export function TagRow({ tag, place, last, chosen, readOnly, onToggle, onEdit, onMove, onDelete }: Props) {
  const keyName = useKeyNames();
  const name = tag.name.slice(0, 200);
  return (
    <>
      <button
        type="button"
        className={classes.filter}
        aria-pressed={chosen}
        onClick={onToggle}
        title={tag.description ? `${name}: ${tag.description}` : name}
      >
        <span className={classes.swatch} style={{ background: tagStroke(tag.id) }} aria-hidden />
        <span className={classes.name}>{name}</span>
        {tag.type !== "Regular" && <span className={classes.count}>{TYPE_NAMES[tag.type]}</span>}
        {!readOnly && <KeyOf action={tagAction("gridTag", place)} />}
        <span className={classes.count} data-testid="tag-count">
          {tag.imageCount.toLocaleString()}
        </span>
      </button>
      {!readOnly && (
        <Menu position="right-start" withinPortal>
          <Menu.Target>
            <ActionIcon variant="subtle" color="gray" aria-label={`Actions of ${name}`}>
              <IconDots size={16} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item leftSection={<IconPencil size={16} />} onClick={onEdit}>
              Edit, rename or merge
            </Menu.Item>
            {place > 0 && (
              <Menu.Item leftSection={<IconArrowUp size={16} />} onClick={() => onMove(place - 1)} closeMenuOnClick={false}>
                Move up
              </Menu.Item>
            )}
            {place < last && (
              <Menu.Item leftSection={<IconArrowDown size={16} />} onClick={() => onMove(place + 1)} closeMenuOnClick={false}>
                Move down
              </Menu.Item>
            )}
            {Array.from({ length: Math.min(TAG_KEYS, last + 1) }, (_, index) => index).some((index) => index !== place) && (
              <Menu.Sub>
                <Menu.Sub.Target>
                  <Menu.Sub.Item>Key</Menu.Sub.Item>
                </Menu.Sub.Target>
                <Menu.Sub.Dropdown>
                  {Array.from({ length: Math.min(TAG_KEYS, last + 1) }, (_, index) => (
                    <Menu.Item key={index} disabled={index === place} onClick={() => onMove(index)}>
                      {keyName(tagAction("gridTag", index)) ?? `Place ${index + 1}`}
                    </Menu.Item>
                  ))}
                </Menu.Sub.Dropdown>
              </Menu.Sub>
            )}
            <Menu.Divider />
            <Menu.Item leftSection={<IconTrash size={16} />} onClick={onDelete}>
              Delete
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      )}
    </>
  );
}
