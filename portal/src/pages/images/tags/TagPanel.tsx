import { ActionIcon, CloseButton, Group, Text, TextInput, Title, Tooltip } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useRef, useState } from "react";
import { MOST_RESTORED } from "../../../api/bulk/restore";
import { useRefusal } from "../../../api/queries/session";
import type { Tag } from "../../../api/queries/tags";
import { announce } from "../../../components/announce";
import { useConfirm } from "../../../components/confirm";
import { changeTagOrder, moved } from "../../../components/tagOrder";
import { count, named } from "../../../lib/format";
import { MOST_FILTER_TAGS } from "../../../lib/imageFilter";
import { folded } from "../../../lib/names";
import { TagDialog } from "./TagDialog";
import { TagRow } from "./TagRow";
import { useTagActions } from "./useTagActions";
import classes from "./tags.module.css";

interface Props {
  projectId: string;
  ordered: readonly Tag[];
  chosen: readonly string[];
  onChoose: (tagIds: string[]) => void;
  readOnly: boolean;
}

const ROW = 34;
/** From this number on, tags can be searched. */
const SEARCH_FROM = 12;

/** The tags of the project: their counts and keys, a filter by them, and what can be done with them. */
export function TagPanel({ projectId, ordered, chosen, onChoose, readOnly: isEarlier }: Props) {
  const readOnly = useRefusal("CreateTag") !== null || isEarlier;
  const [text, setText] = useState("");
  const [edited, setEdited] = useState<Tag | "new" | null>(null);
  const list = useRef<HTMLDivElement>(null);
  const { ask, dialog } = useConfirm();
  const actions = useTagActions(projectId);
  const typed = folded(text);
  const shown = typed ? ordered.filter((tag) => folded(tag.name).includes(typed)) : ordered;

  // eslint-disable-next-line react-hooks/incompatible-library -- nothing here is memoized by a compiler
  const virtualizer = useVirtualizer({
    count: shown.length,
    getScrollElement: () => list.current,
    estimateSize: () => ROW,
    overscan: 6,
  });

  function toggle(tagId: string) {
    if (chosen.includes(tagId)) onChoose(chosen.filter((id) => id !== tagId));
    else if (chosen.length < MOST_FILTER_TAGS) onChoose([...chosen, tagId]);
    else announce(`At most ${MOST_FILTER_TAGS} tags can be chosen.`);
  }
  function move(tag: Tag, to: number) {
    const ids = ordered.map((each) => each.id);
    const from = ids.indexOf(tag.id);
    const place = Math.max(0, Math.min(to, ids.length - 1));
    changeTagOrder(projectId, moved(ids, from, place));
    announce(`${tag.name} is tag ${place + 1} of ${ids.length}`);
  }
  async function remove(tag: Tag) {
    const agreed =
      tag.imageCount <= MOST_RESTORED ||
      (await ask({
        title: "Delete tag",
        message: `${count(tag.imageCount, "image")} will lose the tag ${named(tag.name)} and its boxes. The images stay. This cannot be undone.`,
        action: "Delete tag",
        danger: true,
      }));
    if (!agreed) return;
    if (await actions.remove(tag)) onChoose(chosen.filter((id) => id !== tag.id));
  }

  return (
    <section className={classes.panel} aria-label="Tags">
      <Group justify="space-between" mb={4}>
        <Title order={2} size="h6">
          Tags{ordered.length > 0 && ` (${ordered.length.toLocaleString()})`}
        </Title>
        {!readOnly && (
          <Tooltip label="New tag">
            <ActionIcon variant="subtle" aria-label="New tag" onClick={() => setEdited("new")}>
              <IconPlus size={18} />
            </ActionIcon>
          </Tooltip>
        )}
      </Group>
      {ordered.length >= SEARCH_FROM ? (
        <TextInput
          size="xs"
          mb={4}
          aria-label="Search in tags"
          placeholder="Search in tags"
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          rightSection={text ? <CloseButton size="xs" aria-label="Clear the search" onClick={() => setText("")} /> : null}
        />
      ) : (
        <div />
      )}
      {shown.length === 0 ? (
        <Text size="sm" c="dimmed">
          {typed ? "No tag has this in its name." : "No tags yet."}
        </Text>
      ) : (
        <div ref={list} className={classes.list} data-testid="tag-list">
          <div role="list" className={classes.canvas} style={{ height: virtualizer.getTotalSize() }}>
            {virtualizer.getVirtualItems().map((item) => {
              const tag = shown[item.index];
              if (!tag) return null;
              const place = ordered.indexOf(tag);
              return (
                <div
                  key={tag.id}
                  role="listitem"
                  aria-setsize={shown.length}
                  aria-posinset={item.index + 1}
                  className={classes.row}
                  style={{ transform: `translateY(${item.start}px)` }}
                >
                  <TagRow
                    tag={tag}
                    place={place}
                    last={ordered.length - 1}
                    chosen={chosen.includes(tag.id)}
                    readOnly={readOnly}
                    onToggle={() => toggle(tag.id)}
                    onEdit={() => setEdited(tag)}
                    onMove={(to) => move(tag, to)}
                    onDelete={() => void remove(tag)}
                  />
                </div>
              );
            })}
          </div>
        </div>
      )}
      <TagDialog projectId={projectId} tags={ordered} edited={edited} onClose={() => setEdited(null)} />
      {dialog}
    </section>
  );
}
