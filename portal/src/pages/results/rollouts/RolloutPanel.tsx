import { Badge, Button, Group, Stack, Text, Title } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { IconArrowBackUp, IconCheck } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { inWords } from "../../../api/errors";
import { cacheKeys } from "../../../api/keys";
import type { Iteration } from "../../../api/queries/iterations";
import { finishRollout, goBack, type PublishedName, type Rollout } from "../../../api/queries/rollouts";
import { announce } from "../../../components/announce";
import { useConfirm } from "../../../components/confirm";
import { Moment } from "../../../components/Moment";
import { named } from "../../../lib/format";
import { useUndo } from "../../../undo/UndoProvider";
import { changing, runningOf, shareText } from "./changes";
import { RolloutFigures } from "./RolloutFigures";
import { shareOf, ShareFields, type ShareDraft } from "./ShareFields";
import styles from "./rollouts.module.css";

interface Props {
  projectId: string;
  iteration: Iteration;
  /** The names of the project, with their roll-outs. */
  names: readonly PublishedName[];
  isDetection: boolean;
}

/** The roll-outs that an iteration takes part in, and the way back to the iteration that had its name before. */
export function RolloutPanel({ projectId, iteration, names, isDetection }: Props) {
  return names
    .filter((name) => concerns(name, iteration.id))
    .map((name) => <NamePanel key={name.publishName} projectId={projectId} name={name} isDetection={isDetection} />);
}

function concerns({ iteration, formerIteration, rollout }: PublishedName, iterationId: string): boolean {
  if (rollout?.status === "Running") return [rollout.current, rollout.candidate].some((side) => side.iterationId === iterationId);
  return iteration?.id === iterationId && (formerIteration !== null || rollout !== null);
}

function NamePanel({ projectId, name, isDetection }: Omit<Props, "iteration" | "names"> & { name: PublishedName }) {
  const { publishName, iteration, formerIteration, rollout } = name;
  const { ask, dialog } = useConfirm();
  const client = useQueryClient();
  const running = runningOf(name);

  async function act(question: Parameters<typeof ask>[0], done: string, change: () => Promise<unknown>) {
    if (!(await ask(question))) return;
    try {
      await change();
      announce(done);
      notifications.show({ message: done });
    } catch (error) {
      notifications.show({ color: "red", title: "Not done", message: inWords(error) });
    }
    await client.invalidateQueries({ queryKey: cacheKeys.project(projectId) });
  }

  const finish = (of: Rollout) =>
    act(
      {
        title: "Finish the roll-out?",
        message: `${nameOf(of.candidate)} is published as ${named(publishName)} in place of ${nameOf(of.current)}, and answers all requests. You can go back to ${nameOf(of.current)} afterwards.`,
        action: "Finish",
      },
      `${nameOf(of.candidate)} is published as ${named(publishName)}`,
      () => finishRollout(projectId, publishName),
    );
  const end = (of: Rollout) =>
    act(
      {
        title: "Take the roll-out back?",
        message: `${nameOf(of.current)} answers all requests for ${named(publishName)} again. ${nameOf(of.candidate)} stays as it is.`,
        action: "Go back",
      },
      `${nameOf(of.current)} answers all requests again`,
      () => goBack(projectId, publishName, of.candidate.iterationId),
    );
  const returnTo = (former: { name: string }, replaced: string) =>
    act(
      {
        title: "Go back to the former iteration?",
        message: `${named(former.name)} is published as ${named(publishName)} again, and answers all requests from the next one on.`,
        action: "Go back",
      },
      `${named(former.name)} is published as ${named(publishName)} again`,
      () => goBack(projectId, publishName, replaced),
    );

  return (
    <section className={styles.panel} aria-label={`Roll-out of ${publishName}`}>
      <Stack gap="sm">
        <Group justify="space-between" gap="sm">
          <div>
            <Group gap="xs">
              <Title order={2} size="h5" className={styles.title}>
                Roll-out of <bdi>{publishName}</bdi>
              </Title>
              {rollout && <StatusBadge rollout={rollout} />}
            </Group>
            {rollout && (
              <Text size="sm" c="dimmed">
                Started <Moment value={rollout.started} />
                {rollout.ended !== null && (
                  <>
                    , ended <Moment value={rollout.ended} />
                  </>
                )}
                {running && `; ${shareText(running)}`}
              </Text>
            )}
          </div>
          <Group gap="xs">
            {running ? (
              <>
                <Button leftSection={<IconCheck size={18} />} onClick={() => void finish(running)}>
                  Finish
                </Button>
                <Button variant="default" leftSection={<IconArrowBackUp size={18} />} onClick={() => void end(running)}>
                  Go back
                </Button>
              </>
            ) : (
              iteration &&
              formerIteration && (
                <Button variant="default" leftSection={<IconArrowBackUp size={18} />} onClick={() => void returnTo(formerIteration, iteration.id)}>
                  Go back to {formerIteration.name}
                </Button>
              )
            )}
          </Group>
        </Group>
        {rollout && <RolloutFigures rollout={rollout} isDetection={isDetection} />}
        {running && <ShareForm key={`${running.id} ${running.percent}`} projectId={projectId} publishName={publishName} rollout={running} />}
      </Stack>
      {dialog}
    </section>
  );
}

const nameOf = (side: Rollout["current"]) => named(side.iterationName ?? "deleted iteration");

const STATUSES: Record<string, readonly [string, string]> = {
  Running: ["running", "blue"],
  Finished: ["finished", "green"],
};

function StatusBadge({ rollout }: { rollout: Rollout }) {
  const [text, color] = STATUSES[rollout.status] ?? ["taken back", "gray"];
  return (
    <Badge size="sm" variant="light" color={color} tt="none" className={styles.badge}>
      {text}
    </Badge>
  );
}

function ShareForm({ projectId, publishName, rollout }: { projectId: string; publishName: string; rollout: Rollout }) {
  const undo = useUndo();
  const [draft, setDraft] = useState<ShareDraft>({ isShadow: rollout.percent === null, percent: rollout.percent ?? 10 });
  const [busy, setBusy] = useState(false);
  const share = shareOf(draft);
  const isChanged = share !== undefined && share.percent !== rollout.percent;

  async function submit() {
    if (!isChanged) return;
    setBusy(true);
    await undo.run(changing(projectId, publishName, rollout, share), { toast: true });
    setBusy(false);
  }

  return (
    <form
      aria-label="Mode of the roll-out"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <Stack gap="sm" align="flex-start">
        <ShareFields value={draft} onChange={setDraft} />
        <Button type="submit" variant="default" loading={busy} disabled={!isChanged}>
          Change
        </Button>
      </Stack>
    </form>
  );
}
