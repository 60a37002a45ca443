import { Button, Group, Text } from "@mantine/core";
import type { Image } from "../../../api/queries/images";
import type { Tag } from "../../../api/queries/tags";
import { named, percent } from "../../../lib/format";
import styles from "./corrections.module.css";
import { boxOfTag, currentRegion, type Pair } from "./matches";
import type { OnCorrect } from "./TagCorrections";

interface Props {
  pairs: readonly Pair[];
  /** The image as it is now. */
  current: Image;
  tags: readonly Tag[];
  onCorrect: OnCorrect;
}

/** For each pair: the region gets the predicted tag, or the box becomes a region, or the region goes. */
export function RegionCorrections({ pairs, current, tags, onCorrect }: Props) {
  const nameOf = (id: string) => tags.find((tag) => tag.id === id)?.name;
  return (
    <ul className={styles.pairs}>
      {pairs.map(({ object, prediction }, index) => {
        const region = object && currentRegion(current, object.tagId, object.boundingBox);
        const predictedName = prediction ? nameOf(prediction.tagId) : undefined;
        const box = prediction?.boundingBox;
        const remove = region ? [{ id: region.regionId, box: boxOfTag(region, region.tagId) }] : [];
        return (
          <li key={index}>
            <Text size="xs" c="dimmed" truncate>
              {object ? object.tagName : "Nothing"} · predicted {prediction ? `${prediction.tagName} ${percent(prediction.probability)}` : "nothing"}
            </Text>
            <Group gap={4}>
              {region && prediction && predictedName !== undefined && prediction.tagId !== object.tagId && (
                <Button
                  size="compact-xs"
                  variant="default"
                  onClick={() =>
                    onCorrect({ kind: "regions", add: [boxOfTag(region, prediction.tagId)], remove }, `Changed a region to ${named(predictedName)}`)
                  }
                >
                  Change to {predictedName.slice(0, 24)}
                </Button>
              )}
              {!object && box && predictedName !== undefined && !currentRegion(current, prediction.tagId, box) && (
                <Button
                  size="compact-xs"
                  variant="default"
                  onClick={() => onCorrect({ kind: "regions", add: [boxOfTag(box, prediction.tagId)], remove: [] }, `Added a region of ${named(predictedName)}`)}
                >
                  Add this region
                </Button>
              )}
              {region && !prediction && (
                <Button
                  size="compact-xs"
                  variant="default"
                  onClick={() => onCorrect({ kind: "regions", add: [], remove }, `Deleted a region of ${named(object.tagName)}`)}
                >
                  Delete the region
                </Button>
              )}
            </Group>
          </li>
        );
      })}
    </ul>
  );
}
