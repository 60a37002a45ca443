import { Alert, Text } from "@mantine/core";
import { IconAlertTriangle, IconCheck } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { body, emulator } from "../../../api/client";
import { ApiError } from "../../../api/errors";
import { cacheKeys } from "../../../api/keys";
import { Section } from "../../../components/Section";
import { ErrorState } from "../../../components/states";
import styles from "../emulator.module.css";

const POLL_MS = 5000;
const NOT_READY = 503;

/** Whether the database, the disk and the threads that carry out jobs are in order. */
export function Health() {
  const health = useQuery({
    queryKey: cacheKeys.health,
    queryFn: ({ signal }) => body(emulator.GET("/_emulator/health/ready", { signal })),
    refetchInterval: POLL_MS,
    retry: false,
  });
  const problems = health.error instanceof ApiError && health.error.status === NOT_READY ? problemsIn(health.error) : null;
  return (
    <Section title="Health">
      {problems ? (
        <Alert color="red" icon={<IconAlertTriangle />} title="The emulator is not ready" role="alert">
          <ul className={styles.list}>
            {problems.map(([name, problem]) => (
              <li key={name}>
                {name}: {problem}
              </li>
            ))}
          </ul>
        </Alert>
      ) : health.error ? (
        <ErrorState error={health.error} onRetry={() => void health.refetch()} />
      ) : (
        <Alert color={health.data ? "green" : "gray"} icon={<IconCheck />} title={health.data ? "Ready" : "Checking"}>
          <Text size="sm">{health.data ? `Checked and working: ${Object.keys(health.data.checks).join(", ")}.` : "\u00a0"}</Text>
        </Alert>
      )}
    </Section>
  );
}

/** The checks that failed, from the body of the response. */
function problemsIn(error: ApiError): [string, string][] {
  const checks = (error.body as { checks?: Record<string, string> } | null)?.checks ?? {};
  return Object.entries(checks).filter(([, state]) => state !== "ok");
}
