import { ScrollArea, Table, Text } from "@mantine/core";
import type { Usage } from "./queries";
import styles from "../emulator.module.css";

/** The operations that programs used, the most frequent first, and how well each is known. */
export function UsageTable({ usage }: { usage: Usage }) {
  const sorted = usage.operations.toSorted((a, b) => b.requests - a.requests || a.operation.localeCompare(b.operation));
  if (sorted.length === 0)
    return (
      <Text size="sm" c="dimmed">
        No operation was used yet.
      </Text>
    );
  return (
    <ScrollArea.Autosize mah={320} viewportProps={{ tabIndex: 0, "aria-label": "Operations" }}>
      <Table aria-label="Operations" verticalSpacing={4}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th scope="col">Operation</Table.Th>
            <Table.Th scope="col">Version</Table.Th>
            <Table.Th scope="col" className={styles.number}>
              Requests
            </Table.Th>
            <Table.Th scope="col" className={styles.number}>
              Failed
            </Table.Th>
            <Table.Th scope="col">Parameters</Table.Th>
            <Table.Th scope="col">Compared with</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {sorted.map((each) => (
            <Table.Tr key={`${each.api} ${each.operation} ${each.version}`}>
              <Table.Td>{each.operation}</Table.Td>
              <Table.Td className={styles.whole}>
                {each.api} {each.version}
              </Table.Td>
              <Table.Td className={styles.number}>{each.requests.toLocaleString()}</Table.Td>
              <Table.Td className={styles.number}>{each.failed.toLocaleString()}</Table.Td>
              <Table.Td>{[...each.parameters, ...each.properties].join(", ") || "–"}</Table.Td>
              <Table.Td>{evidence(each.evidence)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </ScrollArea.Autosize>
  );
}

function evidence({ sdks, recorded, validated }: Usage["operations"][number]["evidence"]): string {
  const parts = [
    sdks > 0 ? `${sdks} ${sdks === 1 ? "official SDK" : "official SDKs"}` : null,
    recorded ? "recorded responses" : null,
    validated ? "the documents" : null,
  ];
  return parts.filter((part) => part !== null).join(", ") || "nothing";
}
