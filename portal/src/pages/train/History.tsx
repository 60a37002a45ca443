import { Anchor, Badge, Table, Text, Title } from "@mantine/core";
import { Link } from "wouter";
import { withoutCode } from "../../api/errors";
import { useInstantIterations } from "../../api/queries/instant";
import type { Iteration } from "../../api/queries/iterations";
import { useJobs } from "../../api/queries/jobs";
import { useDomains } from "../../api/queries/projects";
import { Moment } from "../../components/Moment";
import { kindOfTraining, stateOf, timeOfTraining } from "./iterationState";
import styles from "./train.module.css";

const COLORS: Record<string, string> = { Trained: "blue", Published: "green", Failed: "red", "In training": "blue" };

/** All trainings of the project, newest first. */
export function History({ projectId, iterations }: { projectId: string; iterations: readonly Iteration[] }) {
  const waiting = new Set(useJobs().data?.jobs.filter((job) => job.status === "Waiting").map((job) => job.iterationId));
  const domains = useDomains().data ?? [];
  const instant = useInstantIterations(projectId);
  const nameOf = (id: string | undefined) => iterations.find((each) => each.id === id)?.name;
  if (iterations.length === 0) return null;
  return (
    <section aria-labelledby="history-title">
      <Title order={2} size="h5" id="history-title" mb="xs">
        Training history
      </Title>
      <Table.ScrollContainer minWidth={720} scrollAreaProps={{ viewportProps: { tabIndex: 0, "aria-label": "Training history" } }}>
        <Table verticalSpacing="xs" aria-label="Training history">
          <Table.Thead>
            <Table.Tr>
              {["Iteration", "State", "Kind", "Domain", "Ended", "Time", "Started from"].map((name) => (
                <Table.Th key={name} scope="col">
                  {name}
                </Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {iterations.map((each) => {
              const state = stateOf(each, waiting.has(each.id));
              const ended = each.trainedAt ?? (each.status === "Failed" ? each.lastModified : null);
              return (
                <Table.Tr key={each.id}>
                  <Table.Td className={styles.iterationName}>
                    <Anchor component={Link} href={`/projects/${projectId}/results/${each.id}`} size="sm" title={each.name}>
                      {each.name}
                    </Anchor>
                    {each.trainingErrorDetails !== null && (
                      <Text size="xs" c="dimmed" lineClamp={2} title={withoutCode(each.trainingErrorDetails)}>
                        {withoutCode(each.trainingErrorDetails)}
                      </Text>
                    )}
                  </Table.Td>
                  <Table.Td>
                    <Badge
                      variant="light"
                      color={COLORS[state] ?? "gray"}
                    >
                      {state}
                    </Badge>
                  </Table.Td>
                  <Table.Td>{instant?.has(each.id) ? "Instant, for tests only" : kindOfTraining(each)}</Table.Td>
                  <Table.Td>{domains.find((domain) => domain.id === each.domainId)?.name ?? "–"}</Table.Td>
                  <Table.Td>{ended === null ? "–" : <Moment value={ended} />}</Table.Td>
                  <Table.Td>{timeOfTraining(each)}</Table.Td>
                  <Table.Td className={styles.iterationName}>{nameOf(each.customBaseModelInfo?.iterationId) ?? "–"}</Table.Td>
                </Table.Tr>
              );
            })}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </section>
  );
}
