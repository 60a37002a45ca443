import { Button, Group, Progress, Stack, Text } from "@mantine/core";
import { Link } from "wouter";
import type { DuplicateGroup, NearDuplicates } from "../../../api/queries/insight";
import { EmptyState } from "../../../components/states";
import { TagBadge } from "../../../components/TagBadge";
import { count, named, percent } from "../../../lib/format";
import { useUndo } from "../../../undo/UndoProvider";
import { useProjectKind } from "../../../api/queries/projects";
import { BoxedImage } from "../overlay/BoxedImage";
import { correctionOf } from "../corrections/corrections";
import styles from "./hints.module.css";

/** Nearly equal images whose tags differ: one of the labels is probably wrong. */
export function Duplicates({ projectId, found }: { projectId: string; found: NearDuplicates }) {
  const { isDetection } = useProjectKind(projectId);
  if (found.status === "Running")
    return (
      <Stack gap="xs" maw={400}>
        <Text size="sm">Comparing {count(found.imageCount, "image")}</Text>
        <Progress value={found.progress * 100} aria-label="Images compared" />
      </Stack>
    );
  if (found.groups.length === 0)
    return (
      <EmptyState title="No contradictions among near-duplicates">
        {count(found.imageCount, "image")} were compared. Nearly equal images have the same tags.
      </EmptyState>
    );
  return (
    <ul className={styles.groups}>
      {found.groups.map((group) => (
        <li key={group.images.map((image) => image.id).join()}>
          <Group justify="space-between" mb={4}>
            <Text size="sm" fw={600}>
              {count(group.imageCount, "image")}, up to {percent(group.similarity, 0)} alike
            </Text>
          </Group>
          <ul className={styles.twins}>
            {group.images.slice(0, 12).map((image) => (
              <Twin key={image.id} projectId={projectId} group={group} image={image} isDetection={isDetection} />
            ))}
          </ul>
        </li>
      ))}
    </ul>
  );
}

type TwinImage = DuplicateGroup["images"][number];

function Twin({ projectId, group, image, isDetection }: { projectId: string; group: DuplicateGroup; image: TwinImage; isDetection: boolean }) {
  const undo = useUndo();
  const own = image.tags.map((tag) => tag.tagId);
  const others = group.images.filter((other) => other.tags.length > 0 && other.tags.map((tag) => tag.tagId).toSorted().join() !== own.toSorted().join());
  // Each set of tags once.
  const choices = [...new Map(others.map((other) => [other.tags.map((tag) => tag.tagId).toSorted().join(), other.tags])).values()];
  return (
    <li className={styles.twin}>
      <Link href={`/projects/${projectId}/label?image=${image.id}`} aria-label="Open in labeling" className={styles.twinPicture}>
        <BoxedImage uri={image.thumbnailUri} width={image.width} height={image.height} boxes={[]} alt="" />
      </Link>
      <Group gap={4}>
        {image.tags.length === 0 && (
          <Text size="xs" c="dimmed">
            no tag
          </Text>
        )}
        {image.tags.map((tag) => (
          <TagBadge key={tag.tagId} tagId={tag.tagId} name={tag.tagName} size="sm" />
        ))}
      </Group>
      {!isDetection &&
        choices.map((tags) => {
          const names = tags.map((tag) => named(tag.tagName)).join(", ");
          return (
            <Button
              key={names}
              size="compact-xs"
              variant="default"
              onClick={() =>
                void undo.run(
                  correctionOf(
                    projectId,
                    image.id,
                    { kind: "tags", add: tags.map((tag) => tag.tagId), remove: own.filter((id) => !tags.some((tag) => tag.tagId === id)) },
                    `Changed the tags to ${names}`,
                  ),
                  { toast: true },
                )
              }
            >
              Change to {names}
            </Button>
          );
        })}
    </li>
  );
}
