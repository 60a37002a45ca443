import { Button } from "@mantine/core";
import { EmptyState } from "../../components/states";
import { ALL_IMAGES, type ImageFilter } from "../../lib/imageFilter";

interface Props {
  filter: ImageFilter;
  onFilter: (change: Partial<ImageFilter>) => void;
  isDetection: boolean;
  onUpload: (() => void) | null;
}

/** What is shown instead of the grid where there are no images, with the way on. */
export function EmptyList({ filter, onFilter, isDetection, onUpload }: Props) {
  if (filter.metadata || filter.tagIds.length)
    return (
      <EmptyState
        title="No image matches"
        action={
          <Button variant="default" onClick={() => onFilter({ ...ALL_IMAGES, status: "All" })}>
            Show all images
          </Button>
        }
      >
        No image has the chosen tags and metadata.
      </EmptyState>
    );
  if (filter.status === "Untagged") return <EmptyState title="No untagged images">Every image has a tag.</EmptyState>;
  if (filter.status === "Tagged") return <EmptyState title="No tagged images">No image has a tag yet.</EmptyState>;
  return (
    <EmptyState
      title="No images yet"
      action={onUpload && <Button onClick={onUpload}>Add images</Button>}
    >
      Drop images or folders anywhere on this page, paste them, or choose files.
      {!isDetection && " Each folder becomes a tag."}
    </EmptyState>
  );
}
