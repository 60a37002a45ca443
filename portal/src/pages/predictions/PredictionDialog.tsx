import { ActionIcon, Button, Group, Modal, Text } from "@mantine/core";
import { IconChevronLeft, IconChevronRight } from "@tabler/icons-react";
import { useMemo, useState } from "react";
import { localUri } from "../../api/client";
import { useProjectKind } from "../../api/queries/projects";
import { AnomalyScore } from "../../components/anomalies/AnomalyScore";
import { ANOMALY_FROM, anomalyOf } from "../../components/anomalies/score";
import { BoxedImage } from "../../components/boxed/BoxedImage";
import { PredictionTable } from "../../components/boxed/PredictionTable";
import { useHeatMapLayer } from "../../components/heatmap/useHeatMapLayer";
import { EmptyState, Loading } from "../../components/states";
import { TagChoice } from "./AddWithTags";
import { BoxChoice, PROPOSED_FROM, type ChosenBox } from "./BoxChoice";
import type { Entry } from "./usePredictionActions";
import type { StoredPrediction } from "./usePredictions";
import classes from "./predictions.module.css";

interface Props {
  projectId: string;
  predictions: readonly StoredPrediction[];
  openId: string;
  isLoading: boolean;
  onOpen: (id: string | null) => void;
  onAdd: (entries: readonly Entry[]) => Promise<boolean>;
}

/** One prediction: its image, what was predicted, and what of it becomes a training image. */
export function PredictionDialog({ projectId, predictions, openId, isLoading, onOpen, onAdd }: Props) {
  const index = predictions.findIndex(({ id }) => id === openId);
  const prediction = predictions[index];
  const go = (step: number) => {
    const next = predictions[index + step];
    if (next) onOpen(next.id);
  };
  return (
    <Modal
      opened
      onClose={() => onOpen(null)}
      size="min(1200px, 95vw)"
      title={prediction ? `Prediction ${index + 1}` : "Prediction"}
      classNames={{ body: classes.dialog }}
    >
      {prediction ? (
        <Content
          projectId={projectId}
          prediction={prediction}
          navigation={
            <Group gap={4}>
              <ActionIcon variant="default" disabled={index === 0} onClick={() => go(-1)} aria-label="Previous prediction">
                <IconChevronLeft size={18} />
              </ActionIcon>
              <ActionIcon variant="default" disabled={index === predictions.length - 1} onClick={() => go(1)} aria-label="Next prediction">
                <IconChevronRight size={18} />
              </ActionIcon>
            </Group>
          }
          onAdd={async (entry) => {
            const next = predictions[index + 1] ?? predictions[index - 1];
            if (await onAdd([entry])) onOpen(next?.id ?? null);
          }}
        />
      ) : isLoading ? (
        <Loading />
      ) : (
        <EmptyState title="This prediction is not in the list">It was deleted, or has expired.</EmptyState>
      )}
    </Modal>
  );
}

interface ContentProps {
  projectId: string;
  prediction: StoredPrediction;
  navigation: React.ReactNode;
  onAdd: (entry: Entry) => Promise<void>;
}

function Content({ projectId, prediction, navigation, onAdd }: ContentProps) {
  const { isDetection, isMulticlass, isAnomaly } = useProjectKind(projectId);
  const [current, setCurrent] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const shown = useMemo(
    () => prediction.predictions.map((each, index) => ({ ...each, key: String(index) })),
    [prediction],
  );
  const likely = shown.filter(({ probability }) => probability >= PROPOSED_FROM);
  const [tagIds, setTagIds] = useState(() => (isMulticlass ? likely.slice(0, 1) : likely).map(({ tagId }) => tagId));
  const [boxes, setBoxes] = useState<readonly ChosenBox[]>(() =>
    shown.flatMap(({ boundingBox, ...rest }) =>
      boundingBox ? [{ ...rest, ...boundingBox, taken: rest.probability >= PROPOSED_FROM }] : [],
    ),
  );
  const taken = boxes.filter((box) => box.taken);

  const anomaly = isAnomaly ? anomalyOf(shown) : undefined;
  const { layer, controls } = useHeatMapLayer({
    projectId,
    iterationId: prediction.iteration,
    image: { predictionId: prediction.id },
    src: localUri(prediction.originalImageUri),
    name: prediction.id,
    tags: shown,
    isDetection,
    isAnomaly,
  });

  async function add() {
    setBusy(true);
    await onAdd(
      isDetection
        ? {
            id: prediction.id,
            regions: taken.map(({ tagId, left, top, width, height }) => ({ tagId, left, top, width, height })),
          }
        : { id: prediction.id, tagIds },
    );
    setBusy(false);
  }

  return (
    <>
      <div className={classes.large}>
        <BoxedImage
          src={localUri(prediction.originalImageUri)}
          alt="Image of the prediction"
          boxes={isDetection ? taken : []}
          current={current}
          onCurrent={setCurrent}
        >
          {layer}
        </BoxedImage>
      </div>
      <div className={classes.side}>
        {navigation}
        {isDetection ? (
          <BoxChoice projectId={projectId} boxes={boxes} onChange={setBoxes} current={current} onCurrent={setCurrent} />
        ) : (
          <>
            {anomaly ? <AnomalyScore probability={anomaly.probability} threshold={ANOMALY_FROM} /> : <PredictionTable predictions={shown} />}
            {controls}
            <TagChoice projectId={projectId} value={tagIds} onChange={setTagIds} />
          </>
        )}
        <Button loading={busy} onClick={() => void add()}>
          Add to the training images and go on
        </Button>
        <Text size="xs" c="dimmed">
          {isDetection ? "Boxes can be moved and added on the page Label afterwards." : "Without a tag it is added as an untagged image."}
        </Text>
      </div>
    </>
  );
}
