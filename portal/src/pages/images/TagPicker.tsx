import { Button, Combobox, Group, useCombobox } from "@mantine/core";
import { useEffect, useRef, useState, type ReactNode } from "react";
import type { Tag } from "../../api/queries/tags";
import { tagAction, type TagAction } from "../../keyboard/actions";
import { KeyOf } from "../../keyboard/KeyOf";
import { named } from "../../lib/format";
import { folded } from "../../lib/names";

interface Props {
  /** The action whose keys are shown. */
  action: TagAction;
  label: string;
  icon: ReactNode;
  tags: readonly Tag[];
  /** All tags in their order, for their keys. */
  ordered: readonly Tag[];
  onPick: (tag: Tag) => void;
  /** Offered when no tag has the typed name. */
  onCreate?: (name: string) => void;
  opened: boolean;
  onOpened: (opened: boolean) => void;
}

const MOST_SHOWN = 50;

/** A button with a list of tags that can be searched. */
export function TagPicker({ action, label, icon, tags, ordered, onPick, onCreate, opened, onOpened }: Props) {
  const [text, setText] = useState("");
  const search = useRef<HTMLInputElement>(null);
  const combobox = useCombobox({ opened, onOpenedChange: onOpened });
  const typed = text.trim();
  const sought = folded(typed);
  const matching = tags.filter((tag) => folded(tag.name).includes(sought));
  const isNew = onCreate !== undefined && typed !== "" && !ordered.some((tag) => folded(tag.name) === sought);

  useEffect(() => {
    if (opened) search.current?.focus();
  }, [opened]);
  // After the options are rendered, so that Enter takes the first one.
  useEffect(() => {
    if (opened) combobox.selectFirstOption();
    // eslint-disable-next-line react-hooks/exhaustive-deps -- the store is new at each rendering
  }, [opened, text]);

  return (
    <Combobox
      store={combobox}
      width={280}
      position="bottom-start"
      onOptionSubmit={(value) => {
        onOpened(false);
        setText("");
        const tag = tags.find((each) => each.id === value);
        if (tag) onPick(tag);
        else onCreate?.(typed);
      }}
    >
      <Combobox.Target targetType="button">
        <Button variant="default" leftSection={icon} onClick={() => onOpened(!opened)}>
          {label}
        </Button>
      </Combobox.Target>
      <Combobox.Dropdown>
        <Combobox.Search
          ref={search}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          placeholder={onCreate ? "Search, or a new name" : "Search"}
          aria-label="Tag"
        />
        <Combobox.Options mah={320} style={{ overflowY: "auto" }}>
          {matching.slice(0, MOST_SHOWN).map((tag) => (
            <Combobox.Option key={tag.id} value={tag.id}>
              <Group justify="space-between" wrap="nowrap" gap="xs">
                <bdi style={{ overflow: "hidden", textOverflow: "ellipsis", whiteSpace: "nowrap" }}>{tag.name}</bdi>
                <KeyOf action={tagAction(action, ordered.findIndex((each) => each.id === tag.id))} />
              </Group>
            </Combobox.Option>
          ))}
          {matching.length > MOST_SHOWN && <Combobox.Empty>{matching.length - MOST_SHOWN} more: type a part of the name</Combobox.Empty>}
          {isNew && <Combobox.Option value="+">Create tag {named(typed)}</Combobox.Option>}
          {matching.length === 0 && !isNew && <Combobox.Empty>No tag of that name</Combobox.Empty>}
        </Combobox.Options>
      </Combobox.Dropdown>
    </Combobox>
  );
}
