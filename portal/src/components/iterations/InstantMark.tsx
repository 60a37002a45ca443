import { Alert, Badge } from "@mantine/core";
import { FOR_TESTS } from "./instant";

/** The mark of a model of the instant trainer, beside the name of its iteration. */
export function InstantBadge({ short = false }: { short?: boolean }) {
  return (
    <Badge size="sm" color="orange" variant="light" tt="none" title={FOR_TESTS} style={{ flex: "none" }} styles={{ label: { color: "var(--mantine-color-text)" } }}>
      {short ? "Instant" : "Instant, for tests only"}
    </Badge>
  );
}

/** The warning where a model of the instant trainer is used. */
export function InstantWarning({ children }: { children: string }) {
  return (
    <Alert color="orange" p="xs" role="note">
      {children}
    </Alert>
  );
}
