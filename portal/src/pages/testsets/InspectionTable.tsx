import { Alert, Stack, Table, Text } from "@mantine/core";
import type { CellOf } from "../../api/queries/insight";
import type { TestResult } from "../../api/queries/testSets";
import { percent } from "../../lib/format";
import { OutcomeButton } from "./OutcomeButton";
import styles from "./testsets.module.css";

interface Props {
  /** The result for the tag of the anomalies: an image counts as one exactly where it is predicted. */
  anomaly: TestResult["perTag"][number];
  imageCount: number;
  chosen: CellOf | null;
  onChoose: (cell: CellOf) => void;
}

/** What anomaly detection gets wrong on a test set: false alarms and missed defects; a number leads to its images. */
export function InspectionTable({ anomaly, imageCount, chosen, onChoose }: Props) {
  const { tagId, count: defects, falsePositives: alarms, falseNegatives: missed } = anomaly;
  const good = imageCount - defects;
  const rows = [
    { name: "False alarms", number: alarms, of: good, images: "images without a defect", outcome: "FalsePositive" },
    { name: "Missed defects", number: missed, of: defects, images: "known defects", outcome: "FalseNegative" },
  ] as const;
  return (
    <Stack gap="xs" className={styles.measured}>
      <Table.ScrollContainer minWidth={420}>
        <Table verticalSpacing={4} maw={640} className={styles.figures} aria-label="Anomalies">
          <Table.Thead>
            <Table.Tr>
              <Table.Th scope="col">Errors</Table.Th>
              <Table.Th scope="col" ta="right">
                Images
              </Table.Th>
              <Table.Th scope="col" ta="right">
                Of
              </Table.Th>
              <Table.Th scope="col" ta="right">
                Share
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map((row) => (
              <Table.Tr key={row.name}>
                <Table.Th scope="row">{row.name}</Table.Th>
                <Table.Td ta="right">
                  <OutcomeButton
                    number={row.number}
                    label={`${row.number} of ${row.of} ${row.images}: ${row.name.toLowerCase()}`}
                    cell={{ tagId, outcome: row.outcome }}
                    chosen={chosen}
                    onChoose={onChoose}
                  />
                </Table.Td>
                <Table.Td ta="right">
                  {row.of.toLocaleString()} {row.images}
                </Table.Td>
                <Table.Td ta="right">{percent(row.of > 0 ? row.number / row.of : null)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {defects === 0 ? (
        <Alert color="blue" title="How many anomalies are found is not known">
          The test set has no image of a defect.
        </Alert>
      ) : (
        good > 0 && (
          <Text size="sm" c="dimmed">
            AP {percent(anomaly.averagePrecision)}: how well scores part defects from good parts, over all thresholds.
          </Text>
        )
      )}
    </Stack>
  );
}
