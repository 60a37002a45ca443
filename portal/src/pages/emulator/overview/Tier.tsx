import { Table, Text } from "@mantine/core";
import { Section } from "../../../components/Section";
import type { Information } from "./Facts";
import styles from "../emulator.module.css";

const ROWS: readonly { key: keyof Information["tier"]["limits"]; name: string }[] = [
  { key: "projects", name: "Projects" },
  { key: "imagesPerProject", name: "Images of a project" },
  { key: "tagsPerProject", name: "Tags of a project" },
  { key: "iterationsPerProject", name: "Iterations of a project" },
  { key: "predictionsPerMonth", name: "Predictions this month" },
];

/** The limits of the pricing tier and how much of them is used. */
export function Tier({ info }: { info: Information }) {
  const { name, limits, use, callsPerSecond } = info.tier;
  const calls = Object.entries(callsPerSecond);
  const isUnlimited = ROWS.every(({ key }) => limits[key] === null);
  return (
    <Section title={`Tier: ${name}`}>
      <Text size="sm" c="dimmed">
        {isUnlimited
          ? "No limits on numbers and calls. The tiers F0 and S0 of the service: option --tier."
          : "For limits per project, the use is that of the largest project."}
      </Text>
      <Table aria-label="Use of the tier" verticalSpacing={4}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th scope="col">Limit of</Table.Th>
            <Table.Th scope="col" className={styles.number}>
              Used
            </Table.Th>
            <Table.Th scope="col" className={styles.number}>
              At most
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {ROWS.map(({ key, name: row }) => (
            <Table.Tr key={key}>
              <Table.Th scope="row" fw={400}>
                {row}
              </Table.Th>
              <Table.Td className={styles.number}>{use[key]?.toLocaleString() ?? "not counted"}</Table.Td>
              <Table.Td className={styles.number}>{limits[key]?.toLocaleString() ?? "no limit"}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {calls.length > 0 && (
        <Text size="sm" c="dimmed">
          Calls per second: {calls.map(([kind, rate]) => `${kind} ${rate}`).join("; ")}.
        </Text>
      )}
    </Section>
  );
}
