import { Alert, Button, Group, Loader } from "@mantine/core";
import { useQueryClient, type QueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { setConnection, useConnection } from "../api/connection";
import { ConnectionLost } from "../api/errors";
import { currentSession } from "../api/session";
import { repeat } from "../lib/repeat";

const RETRY_MS = 1500;
/** A server that accepts connections without responding is tried again, too. */
const ATTEMPT_MS = 10_000;

/** Says that the server does not respond, and tries until it does. */
export function ConnectionBanner() {
  const connection = useConnection();
  const client = useQueryClient();

  const attempts = useRef<ReturnType<typeof repeat> | null>(null);

  useEffect(() => {
    if (connection !== "lost") return;
    const repeated = repeat((signal) => attempt(signal, client), RETRY_MS);
    attempts.current = repeated;
    return repeated.end;
  }, [connection, client]);

  if (connection !== "lost") return <div />;
  return (
    <Alert color="orange" radius={0} role="alert" py="xs">
      <Group justify="space-between">
        <Group gap="sm">
          <Loader size="xs" />
          The emulator does not respond. Trying again; changes that are not saved yet are kept here.
        </Group>
        <Button size="compact-sm" variant="default" onClick={() => attempts.current?.now()}>
          Try now
        </Button>
      </Group>
    </Alert>
  );
}

async function attempt(signal: AbortSignal, client: QueryClient): Promise<void> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(ATTEMPT_MS)]);
  try {
    const session = await currentSession(limited);
    if (signal.aborted) return;
    setConnection(session.signedIn ? "online" : "signedOut");
    if (session.signedIn) void client.invalidateQueries();
  } catch (error) {
    // Any other failure is a response of the server.
    if (!limited.aborted && !(error instanceof ConnectionLost)) setConnection("online");
  }
}
