import { Stack, Text } from "@mantine/core";
import { useRef } from "react";
import { useSearchParams } from "wouter";
import { useConfusionMatrix, type CellOf } from "../../../api/queries/insight";
import { Loaded } from "../../../components/states";
import { count } from "../../../lib/format";
import { useSetParameters, useThresholds } from "../../../components/thresholds/address";
import type { ResultsTabProps } from "../tabs";
import { cellOfText, cellText } from "../../../components/matrix/cell";
import { CellImages } from "./CellImages";
import { MatrixTable } from "../../../components/matrix/MatrixTable";
import { OutcomeTable } from "./OutcomeTable";

/** Which tags are taken for which, and the images behind each number. */
export default function MatrixTab(props: ResultsTabProps) {
  const { projectId, iteration, isDetection } = props;
  const thresholds = useThresholds();
  const matrix = useConfusionMatrix(projectId, iteration.id, thresholds);
  const [parameters] = useSearchParams();
  const setParameters = useSetParameters();
  const chosen = cellOfText(parameters.get("cell"));
  const panel = useRef<HTMLElement>(null);
  const choose = (cell: CellOf | null) => {
    setParameters({ cell: cell && cellText(cell) });
    // After the images are drawn.
    if (cell) requestAnimationFrame(() => panel.current?.focus());
  };
  return (
    <Loaded query={matrix}>
      {(data) => (
        <Stack gap="md">
          <Text size="sm" c="dimmed" maw={900}>
            {data.type === "ObjectDetection"
              ? "Rows are marked objects, columns are predicted boxes; the last row has boxes where nothing is marked, the last column objects that were not found. "
              : data.counts
                ? "Rows are the tags that images have, columns the ones that were predicted. "
                : "An image can have several tags, so each tag is counted by itself. "}
            Measured on {count(data.imageCount, "image")}, each predicted by a model that was not trained on it. A number
            opens its images.
          </Text>
          {data.counts ? (
            <MatrixTable matrix={data} counts={data.counts} chosen={chosen} onChoose={choose} />
          ) : (
            <OutcomeTable matrix={data} chosen={chosen} onChoose={choose} />
          )}
          {chosen && (
            <CellImages
              key={cellText(chosen)}
              ref={panel}
              projectId={projectId}
              iterationId={iteration.id}
              matrix={data}
              cell={chosen}
              isDetection={isDetection}
              onClose={() => choose(null)}
            />
          )}
        </Stack>
      )}
    </Loaded>
  );
}
