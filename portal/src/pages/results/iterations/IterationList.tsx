import { Badge, Group, Loader, Stack, Text, Title } from "@mantine/core";
import { Link } from "wouter";
import { RUNNING, type Iteration } from "../../../api/queries/iterations";
import { useInstantIterations } from "../../../api/queries/instant";
import { useDomains } from "../../../api/queries/projects";
import { FOR_TESTS } from "../../../components/iterations/instant";
import { Moment } from "../../../components/Moment";
import styles from "./iterations.module.css";

interface Props {
  projectId: string;
  iterations: readonly Iteration[];
  selectedId: string | undefined;
  /** Query of the address, with "?"; the tab and the thresholds stay when another iteration is chosen. */
  search: string;
}

/** The iterations of the project, newest first. */
export function IterationList({ projectId, iterations, selectedId, search }: Props) {
  const domains = useDomains().data ?? [];
  const instant = useInstantIterations(projectId);
  return (
    <nav aria-labelledby="iterations-title">
      <Title order={2} size="h6" mb={6} id="iterations-title">
        Iterations
      </Title>
      <Stack component="ul" gap={4} className={styles.list}>
        {iterations.map((each) => (
          <li key={each.id}>
            <Link
              href={`/projects/${projectId}/results/${each.id}${search}`}
              className={styles.item}
              aria-current={each.id === selectedId ? "page" : undefined}
            >
              <Group gap={6} wrap="nowrap" justify="space-between">
                <span className={styles.name} title={each.name}>
                  {each.name}
                </span>
                <IterationBadge iteration={each} />
              </Group>
              <Text size="xs" c="dimmed" component="span" className={styles.meta}>
                <IterationMeta iteration={each} isInstant={instant?.has(each.id) ?? false} domain={domains.find((domain) => domain.id === each.domainId)?.name} />
              </Text>
            </Link>
          </li>
        ))}
      </Stack>
    </nav>
  );
}

export function IterationBadge({ iteration }: { iteration: Iteration }) {
  if (RUNNING.has(iteration.status)) return <Loader size={14} role="img" aria-label="Training" />;
  if (iteration.status === "Failed")
    return (
      <Badge size="sm" color="red" variant="light" className={styles.badge}>
        Failed
      </Badge>
    );
  if (iteration.publishName === null) return null;
  return (
    <Badge size="sm" color="green" variant="light" className={styles.badge}>
      Published
    </Badge>
  );
}

function IterationMeta({ iteration, isInstant, domain }: { iteration: Iteration; isInstant: boolean; domain: string | undefined }) {
  const kind = isInstant ? FOR_TESTS : iteration.trainingType === "Advanced" ? "advanced" : "quick";
  const trained = iteration.trainedAt ?? null;
  return (
    <>
      {trained !== null ? (
        <>
          Trained <Moment value={trained} />
        </>
      ) : RUNNING.has(iteration.status) ? (
        "In training"
      ) : (
        "Not trained"
      )}
      {domain !== undefined && ` · ${domain}`}
      {` · ${kind}`}
    </>
  );
}
