import { Table } from "@mantine/core";
import { percent } from "../../../lib/format";
import { DifferenceText } from "./DifferenceText";
import type { inspections } from "./inspection";
import styles from "./compare.module.css";

/** False alarms, found defects and average precision of two anomaly detectors, before and after. */
export function InspectionTable({ compared }: { compared: NonNullable<ReturnType<typeof inspections>> }) {
  const { good, defects, before, after } = compared;
  const rows = [
    { name: "False alarms", of: good, before: before.falseAlarms, after: after.falseAlarms, lessIsBetter: true },
    { name: "Defects found", of: defects, before: before.found, after: after.found, lessIsBetter: false },
  ];
  return (
    <Table.ScrollContainer minWidth={480} className={styles.measured}>
      <Table verticalSpacing={6} highlightOnHover className={styles.table} aria-label="Anomalies">
        <Table.Thead>
          <Table.Tr>
            <Table.Th scope="col">Figure</Table.Th>
            <Table.Th scope="col">Before → after</Table.Th>
            <Table.Th scope="col">Difference</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map((row) => (
            <Table.Tr key={row.name}>
              <Table.Th scope="row">{row.name}</Table.Th>
              <Table.Td>
                {row.of === 0 ? "No image to measure it" : `${row.before.toLocaleString()} → ${row.after.toLocaleString()} of ${row.of.toLocaleString()}`}
              </Table.Td>
              <Table.Td>{row.of > 0 && <DifferenceText value={(row.after - row.before) / row.of} lessIsBetter={row.lessIsBetter} />}</Table.Td>
            </Table.Tr>
          ))}
          {defects > 0 && good > 0 && (
            <Table.Tr>
              <Table.Th scope="row">AP</Table.Th>
              <Table.Td>
                {percent(before.averagePrecision)} → {percent(after.averagePrecision)}
              </Table.Td>
              <Table.Td>
                <DifferenceText value={after.averagePrecision - before.averagePrecision} />
              </Table.Td>
            </Table.Tr>
          )}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
