/** What a page shows while it loads, when there is nothing, and when a request failed. */
import { Alert, Button, Center, Loader, Stack, Text, Title } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { inWords } from "../api/errors";
import classes from "./states.module.css";

export function Loading({ label = "Loading" }: { label?: string }) {
  return (
    <Center className={classes.loading} role="status" aria-label={label}>
      <Loader size="sm" />
      <Text size="sm" c="dimmed" className={classes.waited}>
        {label}
      </Text>
    </Center>
  );
}

export function EmptyState({ title, children, action }: { title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <Center mih={240} p="xl">
      <Stack align="center" gap="sm" maw={480} ta="center">
        <Title order={2} size="h4">
          {title}
        </Title>
        {children && <Text c="dimmed">{children}</Text>}
        {action}
      </Stack>
    </Center>
  );
}

export function ErrorState({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  return (
    <Alert color="red" icon={<IconAlertTriangle />} role="alert" title="This could not be loaded" m="md">
      <Stack align="flex-start" gap="xs">
        {inWords(error)}
        {onRetry && (
          <Button size="xs" variant="default" onClick={onRetry}>
            Try again
          </Button>
        )}
      </Stack>
    </Alert>
  );
}

interface Loadable<Data> {
  data: Data | undefined;
  error: unknown;
  refetch: () => unknown;
}

/** The states of a query around its content. Data that is there stays visible when a later request fails. */
export function Loaded<Data>({ query, children }: { query: Loadable<Data>; children: (data: Data) => ReactNode }) {
  if (query.data !== undefined) return children(query.data);
  if (query.error) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />;
  return <Loading />;
}
