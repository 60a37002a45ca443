import { Alert, Button, Group, Modal, NativeSelect, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { inWords } from "../../../api/errors";
import { useInstantIterations } from "../../../api/queries/instant";
import type { Iteration } from "../../../api/queries/iterations";
import { InstantWarning } from "../../../components/iterations/InstantMark";
import { useUndo } from "../../../undo/UndoProvider";
import { starting } from "./changes";
import type { NameToTry } from "./names";
import { shareOf, ShareFields, type ShareDraft } from "./ShareFields";

interface Props {
  opened: boolean;
  onClose: () => void;
  projectId: string;
  /** The candidate: trained and not published. */
  iteration: Iteration;
  /** Names of published iterations that no roll-out is running under. */
  names: readonly NameToTry[];
}

/** Try an iteration under a published name before it takes the place of the iteration that has it. */
export function RolloutDialog({ opened, onClose, ...rest }: Props) {
  return (
    <Modal opened={opened} onClose={onClose} title="Roll the iteration out" size="lg">
      <Form {...rest} onClose={onClose} />
    </Modal>
  );
}

function Form({ projectId, iteration, names, onClose }: Omit<Props, "opened">) {
  const undo = useUndo();
  const [chosen, setChosen] = useState<string | null>(null);
  const [draft, setDraft] = useState<ShareDraft>({ isShadow: true, percent: 10 });
  const [refusal, setRefusal] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const isInstant = useInstantIterations(projectId)?.has(iteration.id) ?? false;
  const name = names.some((each) => each.publishName === chosen) ? chosen : names[0]?.publishName;
  const share = shareOf(draft);

  async function submit() {
    if (name == null || share === undefined) return;
    setBusy(true);
    setRefusal(null);
    const done = await undo.run(starting(projectId, name, iteration, share), { onError: (error) => setRefusal(inWords(error)) });
    setBusy(false);
    if (done) onClose();
  }

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <Stack>
        <Text size="sm">
          <bdi>{iteration.name}</bdi> is tried under a published name. Programs go on as they are; you see the figures of both
          iterations, and publish the new one or go back.
        </Text>
        <NativeSelect
          label="Published name"
          data-autofocus
          value={name ?? ""}
          onChange={(event) => setChosen(event.currentTarget.value)}
          data={names.map((each) => ({ value: each.publishName, label: `${each.publishName} (${each.iterationName})` }))}
        />
        <ShareFields value={draft} onChange={setDraft} />
        {isInstant && (
          <InstantWarning>The instant trainer made this model, for tests only: its predictions are of no use for real images.</InstantWarning>
        )}
        {refusal !== null && (
          <Alert color="red" role="alert" title="The roll-out was not started">
            {refusal}
          </Alert>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={busy} disabled={name == null || share === undefined}>
            Start
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
