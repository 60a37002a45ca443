import { Anchor, Group, Text } from "@mantine/core";
import { Link } from "wouter";
import type { CellOf, ImageOfCell } from "../../../api/queries/insight";
import type { Image } from "../../../api/queries/images";
import type { Tag } from "../../../api/queries/tags";
import { TagBadge } from "../../../components/TagBadge";
import { percent } from "../../../lib/format";
import { useUndo } from "../../../undo/UndoProvider";
import { BoxedImage } from "../overlay/BoxedImage";
import type { ShownBox } from "../overlay/Overlay";
import { correctionOf, type Correction } from "../corrections/corrections";
import { isChanged } from "../corrections/matches";
import { RegionCorrections } from "../corrections/RegionCorrections";
import { OneTagCorrection, SeveralTagsCorrection } from "../corrections/TagCorrections";
import styles from "./cells.module.css";

interface Props {
  projectId: string;
  image: ImageOfCell;
  cell: CellOf;
  /** The image as it is now; undefined when it was deleted, or is not loaded. */
  current: Image | undefined;
  isLoaded: boolean;
  tags: readonly Tag[];
  isDetection: boolean;
  isMulticlass: boolean;
}

/** An image of a cell: its labels, what was predicted, and the corrections that are at hand. */
export function CellCard({ projectId, image, cell, current, isLoaded, tags, isDetection, isMulticlass }: Props) {
  const undo = useUndo();
  const present = current?.tags ?? [];
  const presentIds = present.map((tag) => tag.tagId);
  const correct = (correction: Correction, label: string) =>
    void undo.run(correctionOf(projectId, image.id, correction, label), { toast: true });
  const predictions = isDetection ? [] : image.predictions.slice(0, 2);
  return (
    <article className={styles.card} aria-label={`Image with ${image.tags.map((tag) => tag.tagName).join(", ") || "no tag"}`}>
      <div className={styles.picture}>
        <Link href={`/projects/${projectId}/label?image=${image.id}`} aria-label="Open in labeling" title="Open in labeling">
          <BoxedImage uri={image.thumbnailUri} width={image.width} height={image.height} boxes={shownBoxes(image)} alt="" />
        </Link>
      </div>
      <Group gap={4}>
        {(isLoaded && current ? present : image.tags).map((tag) => (
          <TagBadge key={tag.tagId} tagId={tag.tagId} name={tag.tagName ?? ""} size="sm" />
        ))}
        {isLoaded && !current && (
          <Text size="xs" c="dimmed">
            deleted since
          </Text>
        )}
        {current && isChanged(image, current) && (
          <Text size="xs" c="dimmed">
            changed since the training
          </Text>
        )}
      </Group>
      {predictions.map((prediction) => (
        <Text key={prediction.tagId} size="xs" c="dimmed" truncate>
          Predicted {prediction.tagName} {percent(prediction.probability)}
        </Text>
      ))}
      {current && !isDetection && isMulticlass && (
        <OneTagCorrection predictedId={image.predictions[0]?.tagId} present={presentIds} tags={tags} onCorrect={correct} />
      )}
      {current && !isDetection && !isMulticlass && (
        <SeveralTagsCorrection wrongIds={"tagId" in cell ? [cell.tagId] : []} present={presentIds} tags={tags} onCorrect={correct} />
      )}
      {current && isDetection && <RegionCorrections pairs={image.matches ?? []} current={current} tags={tags} onCorrect={correct} />}
      <Anchor component={Link} size="xs" href={`/projects/${projectId}/label?image=${image.id}`} underline="always">
        Edit all labels
      </Anchor>
    </article>
  );
}

function shownBoxes(image: ImageOfCell): ShownBox[] {
  return (image.matches ?? []).flatMap(({ object, prediction }) => [
    ...(object ? [{ tagId: object.tagId, name: object.tagName, box: object.boundingBox, dashed: false }] : []),
    ...(prediction?.boundingBox ? [{ tagId: prediction.tagId, name: prediction.tagName, box: prediction.boundingBox, dashed: true }] : []),
  ]);
}
