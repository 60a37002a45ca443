import { Alert, Button, Select, Stack } from "@mantine/core";
import { useImageCount } from "../../api/queries/images";
import { useIterations } from "../../api/queries/iterations";
import type { Tag } from "../../api/queries/tags";
import { ALL_IMAGES, type ImageFilter, type TaggingStatus } from "../../lib/imageFilter";
import { StatusFilter } from "./StatusFilter";
import { TagPanel } from "./tags/TagPanel";
import classes from "./images.module.css";

interface Props {
  projectId: string;
  filter: ImageFilter;
  onFilter: (change: Partial<ImageFilter>) => void;
  ordered: readonly Tag[];
}

/** The filters: workspace or iteration, tagged or untagged, tags. */
export function SideBar({ projectId, filter, onFilter, ordered }: Props) {
  const iterations = (useIterations(projectId).data ?? []).filter((each) => each.trainedAt);
  const counts: Record<TaggingStatus, number | undefined> = {
    All: useImageCount(projectId, { ...ALL_IMAGES, iterationId: filter.iterationId }).data,
    Tagged: useImageCount(projectId, { ...ALL_IMAGES, iterationId: filter.iterationId, status: "Tagged" }).data,
    Untagged: useImageCount(projectId, { ...ALL_IMAGES, iterationId: filter.iterationId, status: "Untagged" }).data,
  };
  return (
    <aside className={classes.side} aria-label="Filters">
      <Stack gap="sm">
        <Select
          aria-label="Iteration"
          data={[
            { value: "", label: "Workspace" },
            ...iterations.map((each) => ({ value: each.id, label: each.name })),
          ]}
          value={filter.iterationId ?? ""}
          onChange={(id) => onFilter({ iterationId: id || undefined, tagIds: [] })}
          allowDeselect={false}
          searchable={iterations.length > 10}
        />
        {filter.iterationId && (
          <Alert p="xs" color="blue">
            Images as they were at the training. Changes are made in the workspace.
            <Button size="compact-xs" variant="default" mt={6} onClick={() => onFilter({ iterationId: undefined })}>
              Back to the workspace
            </Button>
          </Alert>
        )}
        <StatusFilter
          status={filter.status}
          counts={counts}
          onStatus={(status) => onFilter({ status, ...(status === "Untagged" ? { tagIds: [] } : {}) })}
        />
      </Stack>
      <TagPanel
        projectId={projectId}
        ordered={ordered}
        chosen={filter.tagIds}
        onChoose={(tagIds) => onFilter({ tagIds, ...(filter.status === "Untagged" ? { status: "All" } : {}) })}
        readOnly={filter.iterationId !== undefined}
      />
    </aside>
  );
}
