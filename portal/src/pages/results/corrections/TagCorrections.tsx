import { Button, Group, NativeSelect } from "@mantine/core";
import type { Tag } from "../../../api/queries/tags";
import { named } from "../../../lib/format";
import type { Correction } from "./corrections";
import styles from "./corrections.module.css";

export type OnCorrect = (correction: Correction, label: string) => void;

interface OneTagProps {
  /** The most probable tag. */
  predictedId: string | undefined;
  /** Ids of the tags that the image has now. */
  present: readonly string[];
  tags: readonly Tag[];
  onCorrect: OnCorrect;
}

/** Where images have one tag: the predicted one instead, or any other. */
export function OneTagCorrection({ predictedId, present, tags, onCorrect }: OneTagProps) {
  const predicted = tags.find((tag) => tag.id === predictedId);
  const choose = (tag: Tag | undefined) => {
    if (tag) onCorrect({ kind: "tags", add: [tag.id], remove: present }, `Changed the tag to ${named(tag.name)}`);
  };
  return (
    <Group gap={4} wrap="nowrap">
      {predicted && !present.includes(predicted.id) && (
        <Button size="compact-sm" variant="default" style={{ minWidth: 0 }} onClick={() => choose(predicted)}>
          Change to {predicted.name}
        </Button>
      )}
      <NativeSelect
        size="xs"
        aria-label="Another tag"
        className={styles.select}
        value=""
        onChange={(event) => choose(tags.find((tag) => tag.id === event.currentTarget.value))}
        data={[
          { value: "", label: "Another tag" },
          ...tags.filter((tag) => !present.includes(tag.id)).map((tag) => ({ value: tag.id, label: tag.name.slice(0, 80) })),
        ]}
      />
    </Group>
  );
}

interface SeveralTagsProps {
  /** Ids of the tags that were predicted and are not there, or the other way round. */
  wrongIds: readonly string[];
  present: readonly string[];
  tags: readonly Tag[];
  onCorrect: OnCorrect;
}

/** Where images have several tags: each wrong one is added, or removed. */
export function SeveralTagsCorrection({ wrongIds, present, tags, onCorrect }: SeveralTagsProps) {
  const wrong = tags.filter((tag) => wrongIds.includes(tag.id));
  if (wrong.length === 0) return null;
  return (
    <Group gap={4}>
      {wrong.map(({ id, name }) => {
        const has = present.includes(id);
        return (
          <Button
            key={id}
            size="compact-sm"
            variant="default"
            onClick={() => onCorrect({ kind: "tags", add: has ? [] : [id], remove: has ? [id] : [] }, `${has ? "Removed" : "Added"} ${named(name)}`)}
          >
            {has ? "Remove" : "Add"} {name.slice(0, 24)}
          </Button>
        );
      })}
    </Group>
  );
}
