import { Alert, Button, Modal, PasswordInput, Stack, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ApiError, inWords } from "../api/errors";
import { signIn } from "../api/session";
import { CAME_BY_USED_LINK } from "./usedLink";

/** Asks for a training key or a key with a role, above whatever was open, so that nothing typed is lost. */
export function SignIn({ opened }: { opened: boolean }) {
  const client = useQueryClient();
  const [key, setKey] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  async function submit() {
    setBusy(true);
    setProblem(null);
    try {
      await signIn(key.trim());
      setKey("");
      await client.invalidateQueries();
    } catch (error) {
      const wrong = error instanceof ApiError && error.status === 401;
      setProblem(wrong ? "This is not a training key of this emulator, nor a key with a role." : inWords(error));
    } finally {
      setBusy(false);
    }
  }

  return (
    <Modal zIndex={1000} opened={opened} onClose={() => undefined} withCloseButton={false} closeOnEscape={false} closeOnClickOutside={false} title="Sign in" centered>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <Stack>
          {CAME_BY_USED_LINK && (
            <Alert color="blue">This link signs in once, within a minute of the start of the emulator. Sign in with a training key instead.</Alert>
          )}
          <Text size="sm">
            Enter a training key of the emulator or of one of its resources, or a key with a role. It is exchanged for a
            session and not stored in the browser.
          </Text>
          <PasswordInput
            label="Training key"
            value={key}
            onChange={(event) => setKey(event.currentTarget.value)}
            autoComplete="off"
            required
            data-autofocus
          />
          {problem && (
            <Alert color="red" role="alert">
              {problem}
            </Alert>
          )}
          <Button type="submit" loading={busy} disabled={!key.trim()}>
            Sign in
          </Button>
        </Stack>
      </form>
    </Modal>
  );
}
