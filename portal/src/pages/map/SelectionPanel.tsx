import { ActionIcon, Button, Group, NativeSelect, Stack, Text, Title } from "@mantine/core";
import { IconX } from "@tabler/icons-react";
import { useState } from "react";
import { Link } from "wouter";
import { targetsOf } from "../../api/bulk/apply";
import { useCurrentImages } from "../../api/queries/insight";
import { thumbnailOf } from "../../api/queries/images";
import type { Tag } from "../../api/queries/tags";
import { optionsOf } from "../../components/options";
import { count } from "../../lib/format";
import type { Targets } from "../../undo/labelChanges";
import { useTagChanges } from "../../undo/useTagChanges";
import styles from "./map.module.css";

const SHOWN = 60;

/** The selected images as a list, and tags for them. */
export function SelectionPanel({ projectId, ids, tags, onClear, onRemove }: { projectId: string; ids: readonly string[]; tags: readonly Tag[]; onClear: () => void; onRemove: (id: string) => void }) {
  const images = useCurrentImages(projectId, ids.slice(0, SHOWN)).data;
  const changes = useTagChanges(projectId);
  const targets: Targets = (task) => targetsOf(projectId, ids, task);
  const [tagId, setTagId] = useState("");
  const tag = tags.find((each) => each.id === tagId);
  return (
    <Stack component="section" gap="sm" className={styles.selection} aria-label="Selected images">
      <Group justify="space-between" wrap="nowrap">
        <Title order={2} size="h5" role="status">
          {count(ids.length, "image")} selected
        </Title>
        <ActionIcon variant="subtle" color="gray" size="lg" aria-label="Select none" onClick={onClear}>
          <IconX size={18} />
        </ActionIcon>
      </Group>
      <Group gap="xs" align="flex-end" wrap="nowrap">
        <NativeSelect
          label="Tag"
          size="xs"
          style={{ flex: 1, minWidth: 0 }}
          value={tag ? tagId : ""}
          onChange={(event) => setTagId(event.currentTarget.value)}
          data={[{ value: "", label: "Choose" }, ...optionsOf(tags)]}
        />
        <Button size="xs" disabled={!tag} onClick={() => tag && void changes.tag(targets, tag)}>
          Tag
        </Button>
        <Button size="xs" variant="default" disabled={!tag} onClick={() => tag && void changes.untag(targets, [tag])}>
          Untag
        </Button>
      </Group>
      <ul className={styles.thumbnails}>
        {ids.slice(0, SHOWN).map((id) => {
          const image = images?.get(id);
          const names = (image?.tags ?? []).map((each) => each.tagName).join(", ") || "no tag";
          return (
            <li key={id} title={names}>
              {image && (
                <>
                  <Link href={`/projects/${projectId}/label?image=${id}`} aria-label={`Open in labeling: ${names}`}>
                    <img src={thumbnailOf(image)} alt="" loading="lazy" />
                  </Link>
                  <button type="button" className={styles.remove} aria-label={`Deselect: ${names}`} onClick={() => onRemove(id)}>
                    <IconX size={14} aria-hidden />
                  </button>
                </>
              )}
            </li>
          );
        })}
      </ul>
      {ids.length > SHOWN && (
        <Text size="xs" c="dimmed">
          and {(ids.length - SHOWN).toLocaleString()} more
        </Text>
      )}
    </Stack>
  );
}
