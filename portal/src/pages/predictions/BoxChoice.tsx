import { Checkbox, Group, Select, Slider, Text } from "@mantine/core";
import { useTags } from "../../api/queries/tags";
import type { PredictedBox } from "../../components/boxed/BoxedImage";
import { optionsOf } from "../../components/options";
import { count, percent } from "../../lib/format";
import classes from "./predictions.module.css";

/** A predicted box, and whether it becomes a box of the training image. */
export interface ChosenBox extends PredictedBox {
  taken: boolean;
}

interface Props {
  projectId: string;
  boxes: readonly ChosenBox[];
  onChange: (boxes: readonly ChosenBox[]) => void;
  current: string | null;
  onCurrent: (key: string | null) => void;
}

const MOST_SHOWN = 50;
/** Tags and boxes from this probability on are chosen at first. */
export const PROPOSED_FROM = 0.5;

/** The predicted boxes, each to be taken over with its tag or another. */
export function BoxChoice({ projectId, boxes, onChange, current, onCurrent }: Props) {
  const tags = useTags(projectId).data ?? [];
  const data = optionsOf(tags);
  const set = (key: string, changes: Partial<ChosenBox>) =>
    onChange(boxes.map((box) => (box.key === key ? { ...box, ...changes } : box)));

  if (boxes.length === 0) return <Text c="dimmed">No box was found.</Text>;
  return (
    <div>
      <Text size="sm" fw={500}>
        {count(boxes.filter((box) => box.taken).length, "box", "boxes")} of {boxes.length}
      </Text>
      <Text size="xs" c="dimmed">
        Choose boxes with at least this probability:
      </Text>
      <Slider
        min={0}
        max={1}
        step={0.01}
        defaultValue={PROPOSED_FROM}
        onChange={(from) => onChange(boxes.map((box) => ({ ...box, taken: box.probability >= from })))}
        label={(value) => percent(value, 0)}
        thumbLabel="Lowest probability of chosen boxes"
        mb="xs"
      />
      <ul className={classes.boxes}>
        {boxes.slice(0, MOST_SHOWN).map((box, index) => (
          <li key={box.key} data-current={box.key === current || undefined}>
            <Group
              gap="xs"
              wrap="nowrap"
              onMouseEnter={() => onCurrent(box.key)}
              onMouseLeave={() => onCurrent(null)}
              onFocus={() => onCurrent(box.key)}
            >
              <Checkbox
                checked={box.taken}
                onChange={(event) => set(box.key, { taken: event.currentTarget.checked })}
                aria-label={`Box ${index + 1}, ${box.tagName}, ${percent(box.probability)}`}
              />
              <Select
                size="xs"
                data={data}
                value={box.tagId}
                allowDeselect={false}
                searchable
                comboboxProps={{ withinPortal: false }}
                onChange={(tagId, option) => tagId && option && set(box.key, { tagId, tagName: option.label, taken: true })}
                aria-label={`Tag of box ${index + 1}`}
              />
              <Text size="sm" className={classes.number}>
                {percent(box.probability)}
              </Text>
            </Group>
          </li>
        ))}
      </ul>
      {boxes.length > MOST_SHOWN && (
        <Text size="xs" c="dimmed">
          {count(boxes.length - MOST_SHOWN, "more box", "more boxes")} with a lower probability, chosen by the slider alone
        </Text>
      )}
    </div>
  );
}
