import { Text, TextInput } from "@mantine/core";
import { IconCheck, IconPlus } from "@tabler/icons-react";
import { useId, useRef, useState, type CSSProperties, type RefObject } from "react";
import type { Tag } from "../../api/queries/tags";
import { tagMark } from "../../components/tagColors";
import { tagAction } from "../../keyboard/actions";
import { KeyOf } from "../../keyboard/KeyOf";
import { folded } from "../../lib/names";
import { strokeOf } from "./BoxShapes";
import classes from "./label.module.css";

interface Props {
  tags: readonly Tag[];
  /** Ids of the tags that are in use: of the selected box, of the next box, or of the image. */
  chosen: readonly string[];
  inputRef: RefObject<HTMLInputElement | null>;
  onChoose: (tagId: string) => void;
  /** Resolves to whether the tag exists now; what was typed stays where it does not. */
  onCreate: (name: string) => Promise<boolean>;
  /** The person is done with the search. */
  onLeave: () => void;
}

/** More are found by their names. */
const MOST_SHOWN = 100;

/** All tags with their keys; a search that also makes new ones. */
export function TagPanel({ tags, chosen, inputRef, onChoose, onCreate, onLeave }: Props) {
  const id = useId();
  const [search, setSearch] = useState("");
  const [active, setActive] = useState(0);
  const [isOpen, setOpen] = useState(false);
  const isCreating = useRef(false);
  const text = search.trim();
  const found = tags.map((tag, index) => ({ tag, index })).filter(({ tag }) => folded(tag.name).includes(folded(text)));
  const shown = found.slice(0, MOST_SHOWN);
  const isNew = text !== "" && !tags.some((tag) => folded(tag.name) === folded(text));
  const last = shown.length - 1 + (isNew ? 1 : 0);
  const marked = isOpen ? Math.min(active, last) : -1;

  const finish = (act: () => void) => {
    setSearch("");
    setActive(0);
    act();
    onLeave();
  };
  const choose = (index: number) => {
    const item = shown[index];
    if (item) finish(() => onChoose(item.tag.id));
    else if (isNew) create();
  };
  const create = () => {
    if (isCreating.current) return;
    isCreating.current = true;
    void onCreate(text)
      .then((isCreated) => isCreated && finish(() => undefined))
      .finally(() => (isCreating.current = false));
  };

  return (
    <section className={classes.section} aria-label="Tags">
      <TextInput
        ref={inputRef}
        size="xs"
        mb={6}
        aria-label="Search for a tag, or type a new one"
        placeholder={tags.length ? "Search or new tag" : "Name of the first tag"}
        role="combobox"
        aria-expanded={isOpen}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={marked < 0 ? undefined : `${id}-${marked}`}
        value={search}
        rightSection={<KeyOf action="tagSearch" />}
        onChange={(event) => {
          setSearch(event.currentTarget.value);
          setActive(0);
        }}
        onFocus={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onKeyDown={(event) => {
          // Enter and arrows choose characters while an input method is open.
          if (event.nativeEvent.isComposing) return;
          if (event.key === "ArrowDown") setActive(Math.min(active + 1, last));
          else if (event.key === "ArrowUp") setActive(Math.max(active - 1, 0));
          else if (event.key === "Enter") choose(marked);
          else if (event.key === "Escape") finish(() => undefined);
          else return;
          event.preventDefault();
        }}
      />
      <div id={`${id}-list`} role="listbox" aria-label="Tags of the project" aria-multiselectable className={classes.rows}>
        {shown.map(({ tag, index }, position) => (
          <TagRow
            key={tag.id}
            id={`${id}-${position}`}
            tag={tag}
            action={tagAction("tag", index)}
            isChosen={chosen.includes(tag.id)}
            isActive={position === marked}
            onChoose={() => finish(() => onChoose(tag.id))}
          />
        ))}
        {isNew && (
          // The search field has the keys of the list.
          // eslint-disable-next-line jsx-a11y/click-events-have-key-events
          <div id={`${id}-${shown.length}`} role="option" aria-selected={false} tabIndex={-1} className={classes.row} data-active={marked === shown.length || undefined} onClick={create}>
            <IconPlus size={16} aria-hidden />
            <span className={classes.text}>
              Create the tag <bdi>{text}</bdi>
            </span>
          </div>
        )}
      </div>
      {found.length > MOST_SHOWN && (
        <Text size="xs" c="dimmed">
          {found.length - MOST_SHOWN} more: search for them by name.
        </Text>
      )}
      {tags.length === 0 && !isNew && (
        <Text size="xs" c="dimmed">
          There is no tag yet. Type a name and press Enter.
        </Text>
      )}
    </section>
  );
}

function TagRow({ id, tag, action, isChosen, isActive, onChoose }: { id: string; tag: Tag; action: string; isChosen: boolean; isActive: boolean; onChoose: () => void }) {
  return (
    // The search field has the keys of the list.
    // eslint-disable-next-line jsx-a11y/click-events-have-key-events
    <div
      id={id}
      role="option"
      aria-selected={isChosen}
      tabIndex={-1}
      className={classes.row}
      data-active={isActive || undefined}
      title={tag.name}
      // The focus stays on the image.
      onMouseDown={(event) => event.preventDefault()}
      onClick={onChoose}
      style={{ "--stroke": strokeOf(tag.id) } as CSSProperties}
    >
      <span className={classes.mark} aria-hidden>
        {tagMark(tag.name)}
      </span>
      <bdi className={classes.text}>{tag.name}</bdi>
      {isChosen && <IconCheck size={16} aria-hidden />}
      <span className={classes.aside}>{tag.imageCount}</span>
      <KeyOf action={action} />
    </div>
  );
}
