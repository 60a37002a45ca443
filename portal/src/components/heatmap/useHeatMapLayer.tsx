import { ActionIcon, Group, Select, Slider, Switch, Text, Tooltip } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { IconDownload } from "@tabler/icons-react";
import { useId, useMemo, useState, type ReactNode } from "react";
import { inWords } from "../../api/errors";
import { useHeatMap, type HeatMap, type MappedImage } from "../../api/queries/heatMap";
import { useKeys } from "../../keyboard/useKeys";
import { percent } from "../../lib/format";
import { optionsOf } from "../options";
import { useObjectUrl } from "../useObjectUrl";
import { describe } from "./describe";
import { changePreference, usePreference } from "./preference";
import { fileName, saveAsFile } from "./saveAsFile";
import styles from "./heatmap.module.css";

interface Options {
  projectId: string;
  iterationId: string;
  /** Null where the bytes of the image are not at hand. */
  image: MappedImage | null;
  /** Address of the image on this origin, and its name, for the file. */
  src: string | undefined;
  name: string;
  /** Tags that can be mapped; with one or none, there is no choice. */
  tags: readonly { tagId: string; tagName: string }[];
  isAnomaly: boolean;
  /** Detectors have boxes instead. */
  isDetection: boolean;
  /** The image is one that the model was trained on. */
  isTrainedOn?: boolean;
}

/** The heat map of an image: a layer that is laid over the image, and the controls beside it. */
export function useHeatMapLayer(options: Options): { layer: ReactNode; controls: ReactNode } {
  const { projectId, iterationId, tags, isAnomaly, isDetection } = options;
  const image = isDetection ? null : options.image;
  const { isShown, opacity } = usePreference();
  const [tagId, setTagId] = useState<string | null>(null);
  const chosen = tags.some((tag) => tag.tagId === tagId) ? tagId : null;
  const query = useHeatMap(projectId, iterationId, image, isAnomaly ? null : chosen, isShown);
  const map = isShown && image !== null ? query.data : undefined;
  const overlay = useObjectUrl(useMemo(() => (map ? blobOf(map.overlay) : null), [map]));
  const id = useId();
  useKeys({ toggleHeatMap: () => changePreference({ isShown: !isShown }) }, !isDetection);

  const controls = isDetection ? null : (
    <div className={styles.controls} role="group" aria-label="Heat map">
      <Switch
        label="Heat map"
        description={isAnomaly ? "Where an anomaly is probable" : "Where the model found the reasons for a tag"}
        checked={isShown}
        onChange={(event) => changePreference({ isShown: event.currentTarget.checked })}
      />
      {isShown && image === null && (
        <Text size="sm" c="dimmed">
          For an image of another site, keep the prediction: the map needs the image.
        </Text>
      )}
      {isShown && image !== null && !isAnomaly && tags.length > 1 && (
        <Select
          label="Reasons for"
          data={optionsOf(tags.map((tag) => ({ id: tag.tagId, name: tag.tagName })))}
          value={chosen ?? tags[0]?.tagId ?? null}
          onChange={setTagId}
          allowDeselect={false}
          searchable={tags.length > 10}
        />
      )}
      {isShown && image !== null && query.error && (
        <Text size="sm" role="status">
          {inWords(query.error)}
        </Text>
      )}
      {isShown && image !== null && query.isFetching && (
        <Text size="sm" c="dimmed" role="status">
          Computing the map
        </Text>
      )}
      {map && (
        <>
          <Legend map={map} />
          <Text size="sm" role="status" data-testid="heat-map-text">
            {describe(map)}
          </Text>
          {options.isTrainedOn && (
            <Text size="xs" c="dimmed">
              The map is that of the final model, which was trained on this image; predictions here are those of a model that was
              not.
            </Text>
          )}
          <Group wrap="nowrap" gap="md">
            <div style={{ flex: 1 }}>
              <Text size="sm" id={id}>
                Opacity
              </Text>
              <Slider
                min={0}
                max={1}
                step={0.05}
                value={opacity}
                onChange={(value) => changePreference({ opacity: value })}
                label={(value) => percent(value, 0)}
                thumbProps={{ "aria-labelledby": id }}
                thumbValueText={(value) => percent(value, 0)}
              />
            </div>
            <Tooltip label="Download the image with the map">
              <ActionIcon
                variant="default"
                size="lg"
                aria-label="Download the image with the map"
                disabled={overlay === null || options.src === undefined}
                onClick={() => {
                  if (overlay === null || options.src === undefined) return;
                  saveAsFile(options.src, overlay, opacity, fileName(options.name, map.tagName)).catch((error: unknown) =>
                    notifications.show({ color: "red", title: "Nothing was saved", message: inWords(error) }),
                  );
                }}
              >
                <IconDownload size={18} />
              </ActionIcon>
            </Tooltip>
          </Group>
        </>
      )}
    </div>
  );
  const layer =
    map && overlay !== null ? (
      <img className={styles.layer} src={overlay} alt={`Heat map for ${map.tagName}. ${describe(map)}`} style={{ opacity }} />
    ) : null;
  return { layer, controls };
}

function Legend({ map }: { map: HeatMap }) {
  const [least, most] = map.method === "AnomalyProbability" ? ["0%", "100% probable"] : ["nothing", "strongest"];
  return (
    <div className={styles.legend} role="img" aria-label={`Colors from transparent, ${least}, over orange to red, ${most}`}>
      <span>{least}</span>
      <span className={styles.scale} />
      <span>{most}</span>
    </div>
  );
}

function blobOf(base64: string): Blob {
  return new Blob([Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))], { type: "image/png" });
}
