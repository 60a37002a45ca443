import { Badge, Table, Text } from "@mantine/core";
import { useState } from "react";
import { RequestDialog } from "./RequestDialog";
import type { LoggedRequest } from "./snippets";
import styles from "../emulator.module.css";

const FAILED = 400;

/** The requests, newest first; each opens its details. */
export function RequestTable({ requests, endpoint }: { requests: readonly LoggedRequest[]; endpoint: string }) {
  const [opened, setOpened] = useState<LoggedRequest | null>(null);
  if (requests.length === 0)
    return (
      <Text size="sm" c="dimmed">
        No such request.
      </Text>
    );
  return (
    <>
      <Table.ScrollContainer minWidth={860} scrollAreaProps={{ viewportProps: { tabIndex: 0, "aria-label": "Last requests" } }}>
        <Table aria-label="Last requests" verticalSpacing={4} highlightOnHover>
          <Table.Thead>
            <Table.Tr>
              <Table.Th scope="col">Time</Table.Th>
              <Table.Th scope="col">Operation</Table.Th>
              <Table.Th scope="col">Request</Table.Th>
              <Table.Th scope="col">Status</Table.Th>
              <Table.Th scope="col" className={styles.number}>
                Duration
              </Table.Th>
              <Table.Th scope="col">Client</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {requests.map((each) => (
              <Table.Tr key={each.number}>
                <Table.Td className={styles.number}>{timeOf(each.time)}</Table.Td>
                <Table.Td>
                  <button type="button" className={styles.row} onClick={() => setOpened(each)} aria-label={`Request ${each.number}: ${each.operation ?? "unknown"}`}>
                    {each.operation ?? "No operation"}
                  </button>
                </Table.Td>
                <Table.Td className={styles.path}>
                  {each.method} {each.path}
                  {each.query ? `?${each.query}` : ""}
                </Table.Td>
                <Table.Td>
                  <Status request={each} />
                </Table.Td>
                <Table.Td className={styles.number}>{each.durationMs.toFixed(each.durationMs < 10 ? 1 : 0)} ms</Table.Td>
                <Table.Td>{each.client ?? (each.userAgent ?? "–").slice(0, 24)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      <RequestDialog request={opened} endpoint={endpoint} onClose={() => setOpened(null)} />
    </>
  );
}

export function Status({ request }: { request: LoggedRequest }) {
  const isFailed = request.status === null || request.status >= FAILED;
  return (
    <Badge
      variant="light"
      color={isFailed ? "red" : "green"}
    >
      {request.status ?? "no response"}
      {request.fault !== null && " (fault)"}
    </Badge>
  );
}

function timeOf(time: string): string {
  return new Date(time).toLocaleTimeString();
}
