import { Button, Group, Text } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";
import { useMemo, useState } from "react";
import { Link, useSearchParams } from "wouter";
import type { PageProps } from "../../app/pages";
import { usePredictionTime } from "../../api/queries/information";
import { useProjectKind } from "../../api/queries/projects";
import { useConfirm } from "../../components/confirm";
import { EmptyState, Loaded } from "../../components/states";
import { count } from "../../lib/format";
import { AddWithTags } from "./AddWithTags";
import { addressOf, filterOf, type PredictionFilter } from "./filter";
import { FilterBar } from "./FilterBar";
import { PredictionDialog } from "./PredictionDialog";
import { PredictionGrid } from "./PredictionGrid";
import { usePredictionActions } from "./usePredictionActions";
import { usePredictions } from "./usePredictions";
import classes from "./predictions.module.css";

/** What clients sent to the published models and to quick tests, to be taken over as training images. */
export default function PredictionsPage({ projectId }: PageProps) {
  const [address, setAddress] = useSearchParams();
  const filter = filterOf(address);
  const openId = address.get("prediction");
  const query = usePredictions(projectId, filter);
  const { isDetection } = useProjectKind(projectId);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const { addToTraining, remove } = usePredictionActions(projectId);
  const { ask, dialog } = useConfirm();
  const predictions = useMemo(() => query.data?.pages.flatMap((page) => page.results) ?? [], [query.data]);
  const chosen = predictions.filter(({ id }) => selected.has(id));

  function change(changes: Partial<PredictionFilter>) {
    setSelected(new Set());
    setAddress(addressOf({ ...filter, ...changes }));
  }
  function open(id: string | null) {
    const next = addressOf(filter);
    if (id) next.set("prediction", id);
    setAddress(next);
  }
  function toggle(id: string) {
    const next = new Set(selected);
    if (!next.delete(id)) next.add(id);
    setSelected(next);
  }
  async function removeChosen() {
    const amount = count(chosen.length, "prediction");
    const agreed = await ask({
      title: `Delete ${amount}?`,
      message: "Their images are deleted, too. This cannot be undone.",
      action: `Delete ${amount}`,
      danger: true,
    });
    if (agreed && (await remove(chosen.map(({ id }) => id)))) setSelected(new Set());
  }

  return (
    <div className={classes.page}>
      <FilterBar projectId={projectId} filter={filter} onChange={change} />
      {chosen.length > 0 && (
        <Group className={classes.selection} role="toolbar" aria-label="Selected predictions">
          <Text size="sm">{chosen.length} selected</Text>
          {!isDetection && (
            <AddWithTags
              projectId={projectId}
              onAdd={(tagIds) =>
                void addToTraining(chosen.map(({ id }) => ({ id, tagIds: [...tagIds] }))).then((done) => {
                  if (done) setSelected(new Set());
                })
              }
            />
          )}
          <Button variant="default" leftSection={<IconTrash size={16} />} onClick={() => void removeChosen()}>
            Delete
          </Button>
          <Button variant="subtle" onClick={() => setSelected(new Set())}>
            Select none
          </Button>
        </Group>
      )}
      <Loaded query={query}>
        {() =>
          predictions.length === 0 ? (
            <NoPredictions projectId={projectId} isFiltered={addressOf({ ...filter, order: "Suggested" }).size > 0} />
          ) : (
            <PredictionGrid
              predictions={predictions}
              selected={selected}
              onToggle={toggle}
              onOpen={open}
              hasMore={query.hasNextPage}
              onMore={() => {
                if (!query.isFetchingNextPage) void query.fetchNextPage();
              }}
            />
          )
        }
      </Loaded>
      {openId !== null && (
        <PredictionDialog
          key={openId}
          projectId={projectId}
          predictions={predictions}
          openId={openId}
          isLoading={query.isPending}
          onOpen={open}
          onAdd={addToTraining}
        />
      )}
      {dialog}
    </div>
  );
}

function NoPredictions({ projectId, isFiltered }: { projectId: string; isFiltered: boolean }) {
  const time = usePredictionTime();
  if (isFiltered) return <EmptyState title="No matching predictions">Choose another iteration, tag or probability.</EmptyState>;
  return (
    <EmptyState
      title="No predictions yet"
      action={
        <Button component={Link} href={`/projects/${projectId}/quicktest`} variant="default">
          Quick test
        </Button>
      }
    >
      Images that clients send to a published model are listed here for {time}, those of quick tests, too.
    </EmptyState>
  );
}
