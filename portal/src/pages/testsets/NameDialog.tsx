import { Alert, Button, Group, Modal, Stack, TextInput } from "@mantine/core";
import { useState } from "react";
import { inWords } from "../../api/errors";

interface Props {
  title: string;
  action: string;
  initial?: string;
  opened: boolean;
  onClose: () => void;
  onSubmit: (name: string) => Promise<void>;
}

/** Asks for a name. What was typed stays when it is refused. */
export function NameDialog({ opened, title, onClose, ...form }: Props) {
  return (
    <Modal opened={opened} onClose={onClose} title={title} centered>
      {opened && <NameForm onClose={onClose} {...form} />}
    </Modal>
  );
}

function NameForm({ action, initial = "", onClose, onSubmit }: Omit<Props, "opened" | "title">) {
  const [name, setName] = useState(initial);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  async function submit() {
    setBusy(true);
    setProblem(null);
    try {
      await onSubmit(name.trim());
      onClose();
    } catch (error) {
      setProblem(inWords(error));
    } finally {
      setBusy(false);
    }
  }

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <Stack>
        <TextInput label="Name" value={name} onChange={(event) => setName(event.currentTarget.value)} maxLength={256} data-autofocus required />
        {problem && (
          <Alert color="red" role="alert">
            {problem}
          </Alert>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={busy} disabled={!name.trim()}>
            {action}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
