import { ActionIcon, Group, Modal, SegmentedControl, Stack, Text, Title } from "@mantine/core";
import { IconCheck, IconChevronLeft, IconChevronRight, IconX } from "@tabler/icons-react";
import { useMemo } from "react";
import { localUri } from "../../../api/client";
import { useProjectKind } from "../../../api/queries/projects";
import { useHeatMapLayer } from "../../../components/heatmap/useHeatMapLayer";
import { TagBadge } from "../../../components/TagBadge";
import { useKeys } from "../../../keyboard/useKeys";
import { percent } from "../../../lib/format";
import type { Judged, JudgedPrediction, Judgment } from "./judge";
import { Overlay } from "../overlay/Overlay";
import styles from "./images.module.css";
import { LabelsNow } from "./LabelsNow";
import { useCurrent } from "./useCurrent";
import { LAYERS, shownBoxes, type Layer } from "./view";

interface Props {
  projectId: string;
  iterationId: string;
  isDetection: boolean;
  isMulticlass: boolean;
  judgments: readonly Judgment[];
  index: number;
  layer: Layer;
  onMove: (index: number) => void;
  onLayer: (id: string) => void;
  onClose: () => void;
}

/** One image in full, with its labels and predictions. */
export function ImageViewer({ projectId, iterationId, isDetection, isMulticlass, judgments, index, layer, onMove, onLayer, onClose }: Props) {
  const judgment = judgments[index];
  const previous = () => index > 0 && onMove(index - 1);
  const next = () => index < judgments.length - 1 && onMove(index + 1);
  useKeys({ gridLeft: previous, gridRight: next });
  const current = useCurrent(projectId, useMemo(() => judgments.map((each) => each.image.id), [judgments]), index, index);
  const { isAnomaly } = useProjectKind(projectId);
  const { layer: heatMap, controls } = useHeatMapLayer({
    projectId,
    iterationId,
    image: judgment ? { imageId: judgment.image.id } : null,
    src: judgment && localUri(judgment.image.imageUri),
    name: `image-${index + 1}`,
    tags: judgment?.image.predictions ?? [],
    isDetection,
    isAnomaly,
    isTrainedOn: true,
  });
  if (!judgment) return null;
  const { image, labels, predictions } = judgment;
  const hasBoxes = [...labels, ...predictions].some((each) => each.box !== null);
  return (
    <Modal
      opened
      onClose={onClose}
      size="min(1400px, 95vw)"
      withCloseButton={false}
      aria-label={`Image ${index + 1} of ${judgments.length}`}
      centered
    >
      <div data-keys-in-dialog data-own-keys>
        <Group justify="space-between" mb="sm">
          <Group gap="xs">
            <ActionIcon variant="default" size="lg" aria-label="Previous image" disabled={index === 0} onClick={previous}>
              <IconChevronLeft size={18} />
            </ActionIcon>
            <Text size="sm" role="status">
              {index + 1} of {judgments.length}
            </Text>
            <ActionIcon
              variant="default"
              size="lg"
              aria-label="Next image"
              disabled={index === judgments.length - 1}
              onClick={next}
              data-autofocus
            >
              <IconChevronRight size={18} />
            </ActionIcon>
          </Group>
          {hasBoxes && (
            <SegmentedControl
              aria-label="Boxes"
              size="xs"
              value={layer.id}
              onChange={onLayer}
              data={LAYERS.map((each) => ({ value: each.id, label: each.label }))}
            />
          )}
          <ActionIcon variant="subtle" color="gray" size="lg" aria-label="Close" onClick={onClose}>
            <IconX size={20} />
          </ActionIcon>
        </Group>
        <div className={styles.viewer}>
          <div className={styles.stage}>
            <span
              className={styles.fitted}
              style={{ aspectRatio: `${image.width} / ${image.height}`, width: `min(100%, ${(image.width / image.height) * 70}vh)` }}
            >
              <img src={localUri(image.imageUri)} alt="" />
              {heatMap}
              <Overlay boxes={shownBoxes(judgment, layer)} named />
            </span>
          </div>
          <Stack gap="lg">
            <section>
              <Title order={2} size="h6" mb={4}>
                Labels
              </Title>
              <Items items={labels} wrongText="not predicted" />
              <LabelsNow
                projectId={projectId}
                judgment={judgment}
                current={current(image.id)}
                isDetection={isDetection}
                isMulticlass={isMulticlass}
              />
            </section>
            <section>
              <Title order={2} size="h6" mb={4}>
                Predictions
              </Title>
              <Items items={predictions} wrongText="wrong" />
              <Others judgment={judgment} />
            </section>
            {controls}
          </Stack>
        </div>
      </div>
    </Modal>
  );
}

function Items({ items, wrongText }: { items: readonly (Judged | JudgedPrediction)[]; wrongText: string }) {
  if (items.length === 0)
    return (
      <Text size="sm" c="dimmed">
        None
      </Text>
    );
  return (
    <ul className={styles.items}>
      {items.map((each, index) => (
        <li key={index}>
          {each.isRight ? (
            <IconCheck size={16} role="img" aria-label="Right" className={styles.right} />
          ) : (
            <IconX size={16} role="img" aria-label="Wrong" className={styles.wrong} />
          )}
          <TagBadge tagId={each.tagId} name={each.tagName} />
          {"probability" in each && <Text size="sm">{percent(each.probability)}</Text>}
          {!each.isRight && (
            <Text size="xs" c="dimmed">
              {wrongText}
            </Text>
          )}
        </li>
      ))}
    </ul>
  );
}

/** Classification: the tags that were not probable enough. */
function Others({ judgment: { image, predictions } }: { judgment: Judgment }) {
  const rest = image.predictions
    .filter((each) => !each.boundingBox && !predictions.some((counted) => counted.tagId === each.tagId))
    .slice(0, 5);
  if (rest.length === 0) return null;
  return (
    <Text size="xs" c="dimmed" mt="xs" style={{ overflowWrap: "anywhere" }}>
      Less probable: {rest.map((each) => `${each.tagName} ${percent(each.probability)}`).join(", ")}
    </Text>
  );
}
