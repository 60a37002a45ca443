import { Button, Group, Modal, Stack, TextInput } from "@mantine/core";
import { useState } from "react";
import { inWords } from "../../../api/errors";
import type { Iteration } from "../../../api/queries/iterations";
import { useIterationChanges } from "../iterations/useIterationChanges";

interface Props {
  opened: boolean;
  onClose: () => void;
  projectId: string;
  iteration: Iteration;
}

export function RenameDialog({ opened, onClose, ...rest }: Props) {
  return (
    <Modal opened={opened} onClose={onClose} title="Rename the iteration">
      <Form {...rest} onClose={onClose} />
    </Modal>
  );
}

function Form({ projectId, iteration, onClose }: Omit<Props, "opened">) {
  const { rename } = useIterationChanges(projectId);
  const [name, setName] = useState(iteration.name);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  async function submit() {
    setBusy(true);
    setProblem(null);
    const done = await rename(iteration, name.trim(), (error) => setProblem(inWords(error)));
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
        <TextInput
          label="Name"
          required
          data-autofocus
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          error={problem}
        />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={busy} disabled={!name.trim() || name.trim() === iteration.name}>
            Rename
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
