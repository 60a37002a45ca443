import { Anchor, Group, Stack, Text } from "@mantine/core";
import { Link } from "wouter";
import type { Image } from "../../../api/queries/images";
import { useTags } from "../../../api/queries/tags";
import { TagBadge } from "../../../components/TagBadge";
import { useThresholds } from "../../../components/thresholds/address";
import { useUndo } from "../../../undo/UndoProvider";
import { correctionOf } from "../corrections/corrections";
import { isChanged } from "../corrections/matches";
import { RegionCorrections } from "../corrections/RegionCorrections";
import { OneTagCorrection, SeveralTagsCorrection, type OnCorrect } from "../corrections/TagCorrections";
import { wrongPairs, wrongTagIds, type Judgment } from "./judge";

interface Props {
  projectId: string;
  judgment: Judgment;
  /** The image as it is now: null when it was deleted, undefined while that is unknown. */
  current: Image | null | undefined;
  isDetection: boolean;
  isMulticlass: boolean;
}

/** The labels that an image has now, where they were changed since the training, and the corrections that are at hand. */
export function LabelsNow({ projectId, judgment, current, isDetection, isMulticlass }: Props) {
  const { image } = judgment;
  const undo = useUndo();
  const { overlapThreshold } = useThresholds();
  const tags = useTags(projectId).data ?? [];
  if (current === null)
    return (
      <Text size="sm" c="dimmed">
        The image was deleted since the training.
      </Text>
    );
  const onCorrect: OnCorrect = (correction, label) =>
    void undo.run(correctionOf(projectId, image.id, correction, label), { toast: true });
  const present = (current?.tags ?? []).map((tag) => tag.tagId);
  return (
    <Stack gap="xs" align="flex-start">
      {current && isChanged(image, current) && (
        <div>
          <Text size="sm" c="dimmed">
            changed since the training, now:
          </Text>
          <Group gap={4}>
            {(current.tags ?? []).map((tag) => (
              <TagBadge key={tag.tagId} tagId={tag.tagId} name={tag.tagName ?? ""} />
            ))}
            {present.length === 0 && <Text size="sm">no tag</Text>}
          </Group>
        </div>
      )}
      {current && isDetection && (
        <RegionCorrections pairs={wrongPairs(judgment, overlapThreshold)} current={current} tags={tags} onCorrect={onCorrect} />
      )}
      {current && !isDetection && isMulticlass && (
        <OneTagCorrection predictedId={image.predictions[0]?.tagId} present={present} tags={tags} onCorrect={onCorrect} />
      )}
      {current && !isDetection && !isMulticlass && (
        <SeveralTagsCorrection wrongIds={wrongTagIds(judgment)} present={present} tags={tags} onCorrect={onCorrect} />
      )}
      <Anchor component={Link} size="sm" href={`/projects/${projectId}/label?image=${image.id}`} underline="always">
        Edit all labels
      </Anchor>
    </Stack>
  );
}
