import { ActionIcon, Button, Group, NumberInput, Text, Title } from "@mantine/core";
import { IconCopy, IconTrash } from "@tabler/icons-react";
import { memo, type CSSProperties } from "react";
import { tagMark } from "../../components/tagColors";
import type { ShownBox } from "./BoxShapes";
import { strokeOf } from "./BoxShapes";
import type { Box, Size } from "./geometry";
import classes from "./label.module.css";

interface Props {
  boxes: readonly ShownBox[];
  selectedKey: string | null;
  image: Size;
  describe: (key: string) => string;
  onSelect: (key: string) => void;
  onType: (key: string, box: Box) => void;
  onCopy: (key: string) => void;
  onDelete: (key: string) => void;
  onTag: (key: string) => void;
}

/** All boxes as a list: what a screen reader reads, and where positions are typed. */
export function RegionList({ boxes, selectedKey, image, describe, onSelect, onType, onCopy, onDelete, onTag }: Props) {
  return (
    <section className={classes.section} aria-label="Boxes">
      <Title order={2} size="h6" mb={4}>
        Boxes ({boxes.length})
      </Title>
      {boxes.length === 0 && (
        <Text size="xs" c="dimmed">
          Drag over an object to draw a box, or press N.
        </Text>
      )}
      <ul className={classes.rows}>
        {boxes.map((each) => (
          <li key={each.key}>
            <Row id={each.key} tagId={each.tagId} tagName={each.name} box={each.box} name={describe(each.key)} isSelected={each.key === selectedKey} onSelect={onSelect} />
            {each.key === selectedKey && (
              <>
                <Fields box={each.box} image={image} onType={(box) => onType(each.key, box)} />
                <Group gap={6} px={6} pb={8}>
                  <Button size="compact-xs" variant="default" onClick={() => onTag(each.key)}>
                    Change the tag
                  </Button>
                  <ActionIcon variant="default" aria-label="Copy the box" title="Copy the box" onClick={() => onCopy(each.key)}>
                    <IconCopy size={16} />
                  </ActionIcon>
                  <ActionIcon variant="default" aria-label="Delete the box" title="Delete the box" onClick={() => onDelete(each.key)}>
                    <IconTrash size={16} />
                  </ActionIcon>
                </Group>
              </>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

const Row = memo(function Row({ id, tagId, tagName, box, name, isSelected, onSelect }: { id: string; tagId: string | null; tagName: string | null; box: Box; name: string; isSelected: boolean; onSelect: (key: string) => void }) {
  return (
    <button
      type="button"
      className={classes.row}
      aria-pressed={isSelected}
      aria-label={name}
      onFocus={() => onSelect(id)}
      onClick={() => onSelect(id)}
      style={{ "--stroke": strokeOf(tagId) } as CSSProperties}
    >
      <span className={classes.mark}>{tagName === null ? "?" : tagMark(tagName)}</span>
      <bdi className={classes.text}>{tagName ?? "No tag"}</bdi>
      <span className={classes.aside}>
        {Math.round(box.width)} × {Math.round(box.height)}
      </span>
    </button>
  );
});

const FIELDS = [
  ["x", "X"],
  ["y", "Y"],
  ["width", "Width"],
  ["height", "Height"],
] as const;

function Fields({ box, image, onType }: { box: Box; image: Size; onType: (box: Box) => void }) {
  const most = { x: image.width - box.width, y: image.height - box.height, width: image.width, height: image.height };
  return (
    <div className={classes.fields} role="group" aria-label="Position and size in pixels">
      {FIELDS.map(([side, label]) => (
        <NumberInput
          key={side}
          size="xs"
          label={label}
          value={Math.round(box[side] * 100) / 100}
          min={side === "x" || side === "y" ? 0 : 1}
          max={Math.round(most[side] * 100) / 100}
          decimalScale={2}
          hideControls
          onChange={(value) => {
            if (typeof value === "number") onType({ ...box, [side]: value });
          }}
        />
      ))}
    </div>
  );
}
