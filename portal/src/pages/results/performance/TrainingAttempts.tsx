import { Table, Text } from "@mantine/core";
import { useTrainingReport, type TrainingAttempt, type TrainingReport } from "../../../api/queries/insight";
import { Section } from "../../../components/Section";
import { duration } from "../../../lib/format";

const MEASURES: Record<string, string> = {
  LogLoss: "Log loss (lower is better)",
  AveragePrecision: "Average precision (higher is better)",
};
const OUTCOMES: Record<TrainingAttempt["outcome"], string> = {
  Finished: "Finished",
  OutOfTime: "No time",
  Failed: "Failed",
  Skipped: "Skipped",
};

/** The models that a training tried, and why it chose one of them; nothing where it tried only one. */
export function TrainingAttempts({ projectId, iterationId }: { projectId: string; iterationId: string }) {
  const report = useTrainingReport(projectId, iterationId).data;
  if (report === undefined || report.attempts.length < 2) return null;
  return (
    <Section title="What the training tried">
      <Text size="sm" c="dimmed">
        {summary(report)}
      </Text>
      <Table.ScrollContainer minWidth={680}>
        <Table verticalSpacing={6}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Model</Table.Th>
              <Table.Th>{MEASURES[report.measure ?? ""] ?? "Figure"}</Table.Th>
              <Table.Th>Time</Table.Th>
              <Table.Th>Result</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {report.attempts.map((attempt, place) => (
              <Table.Tr key={place}>
                <Table.Th scope="row">{attempt.name}</Table.Th>
                <Table.Td>{attempt.figure === null ? "–" : attempt.figure.toFixed(3)}</Table.Td>
                <Table.Td>{duration(attempt.seconds)}</Table.Td>
                <Table.Td>
                  <Text size="sm" fw={600} span>
                    {attempt.isChosen ? "Chosen" : OUTCOMES[attempt.outcome]}
                  </Text>{" "}
                  {attempt.reason}
                  {attempt.plan !== null && (
                    <Text size="sm" c="dimmed">
                      {attempt.plan}
                    </Text>
                  )}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Section>
  );
}

function summary(report: TrainingReport): string {
  const used = duration(report.seconds ?? 0);
  const time = report.budgetSeconds === null ? used : `${used} of a budget of ${duration(report.budgetSeconds)}`;
  return `Models are compared on images that they were not trained on. The training took ${time}.`;
}
