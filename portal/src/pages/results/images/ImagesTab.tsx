import { Group, NativeSelect, SegmentedControl, Stack, Text } from "@mantine/core";
import { useMemo } from "react";
import { useSearchParams } from "wouter";
import { useTags } from "../../../api/queries/tags";
import { usePerformance } from "../../../api/queries/performance";
import { EmptyState, Loaded } from "../../../components/states";
import { useKeys } from "../../../keyboard/useKeys";
import { count } from "../../../lib/format";
import { DEFAULT_OVERLAP, DEFAULT_THRESHOLD, useSetParameters, useThresholds } from "../../../components/thresholds/address";
import type { ResultsTabProps } from "../tabs";
import { EvaluatedGrid } from "./EvaluatedGrid";
import { ImageViewer } from "./ImageViewer";
import { concerns, isWrongAbout, judged, wrongFirst, type EvaluatedImage, type Judgment } from "./judge";
import { LAYERS, layerOf, nextWrong } from "./view";
import { useEvaluatedImages } from "./useEvaluatedImages";

/** All images that the iteration was measured on: labels against predictions, wrong ones first. */
export default function ImagesTab(props: ResultsTabProps) {
  const { projectId, iteration } = props;
  const images = useEvaluatedImages(projectId, iteration.id, useThresholds());
  // The tags of the model; they do not depend on thresholds.
  const performance = usePerformance(projectId, iteration.id, DEFAULT_THRESHOLD, DEFAULT_OVERLAP);
  return (
    <Loaded query={performance}>
      {({ perTagPerformance }) => (
        <Loaded query={images}>
          {(all) => (
            <Images {...props} images={all} total={images.total} isComplete={images.isComplete} tags={perTagPerformance} />
          )}
        </Loaded>
      )}
    </Loaded>
  );
}

interface Props extends ResultsTabProps {
  images: readonly EvaluatedImage[];
  total: number | undefined;
  isComplete: boolean;
  tags: readonly { id: string; name: string }[];
}

function Images({ projectId, iteration, isDetection, isMulticlass, isAnomaly, images, total, isComplete, tags }: Props) {
  const [parameters] = useSearchParams();
  const setParameters = useSetParameters();
  const { threshold, overlapThreshold } = useThresholds();
  const tagId = parameters.get("tag") ?? "";
  const onlyWrong = parameters.get("wrong") === "1";
  const layer = layerOf(parameters.get("show"));

  const types = useTags(projectId, iteration.id).data;
  const goodTagId = isAnomaly
    ? tags.find((tag) => !types?.some((each) => each.id === tag.id && each.type === "Negative"))?.id
    : undefined;
  const judgments = useMemo(() => {
    const modelTagIds = new Set(tags.map((each) => each.id));
    const rules = { isDetection, isMulticlass, threshold, overlapThreshold, modelTagIds, goodTagId };
    return wrongFirst(images.map((each) => judged(each, rules)));
  }, [images, tags, isDetection, isMulticlass, threshold, overlapThreshold, goodTagId]);
  const ofTag = tagId ? judgments.filter((each) => concerns(each, tagId)) : judgments;
  const isWrong = (each: Judgment) => (tagId ? isWrongAbout(each, tagId) : each.isWrong);
  const wrong = ofTag.filter(isWrong);
  const shown = onlyWrong ? wrong : ofTag;
  const openId = parameters.get("image");
  const opened = shown.findIndex((each) => each.image.id === openId);
  const open = (index: number) => setParameters({ image: shown[index]?.image.id ?? null });

  useKeys({
    nextWrong: () => {
      const index = nextWrong(shown.map(isWrong), opened);
      if (index !== null) open(index);
    },
    togglePrediction: () => setParameters({ show: layer.next }),
  });

  return (
    <Stack gap="sm">
      <Group gap="sm">
        <SegmentedControl
          aria-label="Which images"
          size="xs"
          value={onlyWrong ? "wrong" : "all"}
          onChange={(value) => setParameters({ wrong: value === "wrong" ? "1" : null })}
          data={[
            { value: "all", label: `All: ${ofTag.length.toLocaleString()}` },
            { value: "wrong", label: `Wrong: ${wrong.length.toLocaleString()}` },
          ]}
        />
        <NativeSelect
          aria-label="Tag"
          size="xs"
          maw={240}
          value={tagId}
          onChange={(event) => setParameters({ tag: event.currentTarget.value || null })}
          data={[{ value: "", label: "All tags" }, ...tags.map((each) => ({ value: each.id, label: each.name.slice(0, 80) }))]}
        />
        {isDetection && (
          <SegmentedControl
            aria-label="Boxes"
            size="xs"
            value={layer.id}
            onChange={(value) => setParameters({ show: value })}
            data={LAYERS.map((each) => ({ value: each.id, label: each.label }))}
          />
        )}
      </Group>
      <About total={total} loaded={images.length} isComplete={isComplete} isDetection={isDetection} />
      {shown.length === 0 ? (
        <EmptyState title={onlyWrong ? "Nothing is wrong" : "There are no images"}>
          {onlyWrong
            ? "At these thresholds, predictions and labels of all of these images agree."
            : "The images of this evaluation were deleted, or none has this tag."}
        </EmptyState>
      ) : (
        <EvaluatedGrid projectId={projectId} judgments={shown} layer={layer} isWrong={isWrong} onOpen={open} />
      )}
      {opened >= 0 && (
        <ImageViewer
          projectId={projectId}
          iterationId={iteration.id}
          isDetection={isDetection}
          isMulticlass={isMulticlass}
          judgments={shown}
          index={opened}
          layer={layer}
          onMove={open}
          onLayer={(id) => setParameters({ show: id })}
          onClose={() => setParameters({ image: null })}
        />
      )}
    </Stack>
  );
}

/** Says which images these are. */
function About({ total, loaded, isComplete, isDetection }: { total: number | undefined; loaded: number; isComplete: boolean; isDetection: boolean }) {
  return (
    <Text size="sm" c="dimmed">
      {isComplete
        ? `All ${count(loaded, "image")} that the figures are measured on, each predicted by a model that was not trained on it. `
        : `${loaded.toLocaleString()} of ${(total ?? loaded).toLocaleString()} images are compared so far. `}
      Many errors of which the model is sure are wrong labels. {isDetection && "Labels have solid lines, predictions dashed ones. "}W opens
      the next wrong image.
    </Text>
  );
}
