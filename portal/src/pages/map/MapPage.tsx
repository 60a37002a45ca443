import { Button, Group, Loader, Progress, SegmentedControl, Stack, Text } from "@mantine/core";
import { useMemo, useState } from "react";
import { Link } from "wouter";
import type { PageProps } from "../../app/pages";
import { useImageMap, type ImageMap } from "../../api/queries/insight";
import { useTags } from "../../api/queries/tags";
import { announce } from "../../components/announce";
import { EmptyState, Loaded } from "../../components/states";
import { count } from "../../lib/format";
import styles from "./map.module.css";
import { MapCanvas, type Tool } from "./MapCanvas";
import { MapLegend } from "./MapLegend";
import { marksOf } from "./marks";
import { SelectionPanel } from "./SelectionPanel";

/** All images in two dimensions, similar ones near each other. */
export default function MapPage({ projectId }: PageProps) {
  const map = useImageMap(projectId);
  return (
    <Loaded query={map}>
      {(data) =>
        data.status === "Running" ? (
          <Stack align="center" p="xl" mt="xl" gap="xs">
            <Text>Arranging {count(data.imageCount, "image")}</Text>
            {/* Features are computed first, of which the server gives no number. */}
            {data.progress > 0 ? <Progress w={320} value={data.progress * 100} aria-label="Images arranged" /> : <Loader type="dots" />}
          </Stack>
        ) : data.images.length === 0 ? (
          <EmptyState
            title="There are no images yet"
            action={
              <Button component={Link} href={`/projects/${projectId}/images`}>
                Add images
              </Button>
            }
          >
            The map shows all images of a project, similar ones near each other.
          </EmptyState>
        ) : (
          <Shown projectId={projectId} map={data} />
        )
      }
    </Loaded>
  );
}

function Shown({ projectId, map }: { projectId: string; map: ImageMap }) {
  const loaded = useTags(projectId).data;
  const tags = useMemo(() => loaded ?? [], [loaded]);
  const marks = useMemo(() => marksOf(tags), [tags]);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [tool, setTool] = useState<Tool>("lasso");
  // Images that were deleted meanwhile are no longer selected.
  const selected = useMemo(() => new Set(map.images.filter((image) => chosen.has(image.id)).map((image) => image.id)), [map.images, chosen]);

  function select(ids: string[], adds: boolean): void {
    const next = new Set(adds ? [...selected, ...ids] : ids);
    setChosen(next);
    announce(`${count(next.size, "image")} selected`);
  }

  return (
    <div className="with-side">
      <div className="side">
        <MapLegend map={map} tags={tags} marks={marks} onSelect={select} />
      </div>
      <div className={styles.page}>
        <div className={styles.main}>
          <Group gap="sm" className={styles.bar}>
            <SegmentedControl
              aria-label="Dragging"
              size="xs"
              value={tool}
              onChange={(value) => setTool(value === "move" ? "move" : "lasso")}
              data={[
                { value: "lasso", label: "Select" },
                { value: "move", label: "Move" },
              ]}
            />
            <Text size="sm" c="dimmed">
              {count(map.images.length, "image")}. The wheel zooms.
            </Text>
          </Group>
          <MapCanvas
            projectId={projectId}
            images={map.images}
            marks={marks}
            selected={selected}
            tool={tool}
            onSelect={select}
            label={`Map of ${count(map.images.length, "image")}. The list of tags selects the images of a tag; selected images are listed.`}
          />
        </div>
        {selected.size === 0 ? (
          <Text size="sm" c="dimmed" className={styles.nothing}>
            Draw a line around images to select them.
          </Text>
        ) : (
          <SelectionPanel
            projectId={projectId}
            ids={[...selected]}
            tags={tags}
            onClear={() => select([], false)}
            onRemove={(id) => select([...selected].filter((each) => each !== id), false)}
          />
        )}
      </div>
    </div>
  );
}
