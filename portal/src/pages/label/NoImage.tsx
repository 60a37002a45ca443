import { Button, Group } from "@mantine/core";
import { Link } from "wouter";
import { RUNNING, useIterations } from "../../api/queries/iterations";
import { EmptyState, ErrorState, Loading } from "../../components/states";
import type { Labeling } from "./useLabeling";

/** In place of the session when its list is empty or not loaded. */
export function NoImages({ labeling, projectId }: { labeling: Labeling; projectId: string }) {
  const { list } = labeling.session;
  const { filter, changeFilter } = labeling;
  const isTraining = useIterations(projectId).data?.some((each) => RUNNING.has(each.status));
  if (list.error) return <ErrorState error={list.error} onRetry={() => void list.refetch()} />;
  if (list.isPending && list.fetchStatus !== "idle") {
    const slow = isTraining ? ". A training is running, so that this takes longer." : "";
    return <Loading label={`Loading the list of images${slow}`} />;
  }
  const isUntagged = filter.images.status === "Untagged" && !filter.images.metadata;
  return (
    <EmptyState
      title={isUntagged ? "No image is left to label" : "No image matches the filter"}
      action={
        <Group justify="center">
          <Button variant="default" onClick={() => changeFilter({ status: "All", order: "newest" })}>
            Show all images
          </Button>
          <Button component={Link} href={`/projects/${projectId}/images`} variant="default">
            Add images
          </Button>
        </Group>
      }
    >
      {isUntagged ? "Every image of the project has a tag, or there are no images yet." : "Other images can be labeled, too."}
    </EmptyState>
  );
}

/** In place of an image that could not be read. */
export function NotOpened({ labeling }: { labeling: Labeling }) {
  return (
    <>
      <ErrorState error={labeling.failure} onRetry={labeling.reopen} />
      <Group px="md">
        <Button variant="default" size="xs" onClick={labeling.goOn}>
          Next image
        </Button>
      </Group>
    </>
  );
}
