import { Alert, Anchor, ScrollArea, Stack, Table, Text, Title } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { Link } from "wouter";
import { useUntaggedCount } from "../../api/queries/images";
import type { Tag } from "../../api/queries/tags";
import { addressOfFilter, ALL_IMAGES } from "../../lib/imageFilter";
import { count, named } from "../../lib/format";
import { compareNames } from "../../lib/names";
import { lackOf, type Readiness } from "./readiness";
import styles from "./train.module.css";

interface Props {
  projectId: string;
  tags: readonly Tag[];
  state: Readiness;
  isDetection: boolean;
  isAnomaly: boolean;
}

/** How many images each tag has, and what is missing for a training. */
export function TagReadiness({ projectId, tags, state, isDetection, isAnomaly }: Props) {
  const sorted = tags.toSorted((a, b) => a.imageCount - b.imageCount || compareNames(a.name, b.name));
  const most = Math.max(state.minimum, ...tags.map((tag) => tag.imageCount));
  const other = state.problems.length > 0 && state.lacking.length === 0 ? state.problems : [];
  return (
    <Stack component="section" gap="sm" aria-labelledby="tags-title">
      <Title order={2} size="h5" id="tags-title">
        Images per tag
      </Title>
      {other.map((problem) => (
        <Alert key={problem} color="orange" icon={<IconAlertTriangle />}>
          {problem}
        </Alert>
      ))}
      {state.imbalance && <Imbalance {...state.imbalance} />}
      <Untagged projectId={projectId} isDetection={isDetection} />
      {tags.length > 0 && (
        <ScrollArea.Autosize mah={420} tabIndex={0} viewportProps={{ "aria-label": "Images per tag" }}>
          <Table verticalSpacing={4} aria-label="Images per tag">
            <Table.Thead>
              <Table.Tr>
                <Table.Th scope="col">Tag</Table.Th>
                <Table.Th scope="col" className={styles.number}>
                  {isDetection ? "Images with boxes" : "Images"}
                </Table.Th>
                <Table.Th scope="col" className={styles.barColumn}>
                  {isAnomaly ? `${state.minimum} good ones are needed` : `${state.minimum} are needed`}
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {sorted.map((tag) => (
                <Row
                  key={tag.id}
                  projectId={projectId}
                  tag={tag}
                  isAnomaly={isAnomaly}
                  most={most}
                  minimum={state.minimum}
                  lack={state.lacking.includes(tag) ? lackOf(tag, state.minimum, isDetection) : null}
                />
              ))}
            </Table.Tbody>
          </Table>
        </ScrollArea.Autosize>
      )}
    </Stack>
  );
}

interface RowProps {
  projectId: string;
  tag: Tag;
  isAnomaly: boolean;
  /** Images of the largest tag, and images that are needed. */
  most: number;
  minimum: number;
  lack: string | null;
}

function Row({ projectId, tag, isAnomaly, most, minimum, lack }: RowProps) {
  const filter = addressOfFilter({ ...ALL_IMAGES, tagIds: [tag.id] }).toString();
  return (
    <Table.Tr>
      <Table.Td className={styles.tagName}>
        <Anchor component={Link} href={`/projects/${projectId}/images?${filter}`} size="sm" c="var(--mantine-color-text)" title={tag.name}>
          {tag.name}
        </Anchor>
        {tag.type === "Negative" && (
          <Text size="xs" c="dimmed">
            {isAnomaly ? "Known defects: not learned, but scored, which shows how many are found" : "Negative: images without any of the other tags"}
          </Text>
        )}
        {lack !== null && (
          <Text size="xs" c="var(--mantine-color-error)">
            {lack}
          </Text>
        )}
      </Table.Td>
      <Table.Td className={styles.number}>{tag.imageCount.toLocaleString()}</Table.Td>
      <Table.Td className={styles.barColumn}>
        {/* The number is beside it; the bar only shows it again. */}
        <svg className={styles.bar} viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
          <rect className={styles.barGround} width="100" height="8" />
          <rect className={lack === null ? styles.barFill : styles.barLack} width={(100 * tag.imageCount) / most} height="8" />
          <rect className={styles.barMark} x={(100 * minimum) / most - 0.4} width="0.8" height="8" />
        </svg>
      </Table.Td>
    </Table.Tr>
  );
}

function Imbalance({ smallest, largest }: { smallest: Tag; largest: Tag }) {
  return (
    <Alert color="orange" icon={<IconAlertTriangle />} title="The tags are unbalanced">
      {named(largest.name)} has {count(largest.imageCount, "image")}, {named(smallest.name)} {smallest.imageCount.toLocaleString()}. The
      model will prefer tags with many images. Add images to the smaller tags, at best at least half as many as the largest has.
    </Alert>
  );
}

/** Images without labels, which a training leaves out. */
function Untagged({ projectId, isDetection }: { projectId: string; isDetection: boolean }) {
  const untagged = useUntaggedCount(projectId).data;
  if (!untagged) return null;
  return (
    <Text size="sm" c="dimmed">
      {count(untagged, "image")} without {isDetection ? "boxes" : "tags"}{" "}
      {untagged === 1 ? "is" : "are"} not trained on.{" "}
      <Anchor component={Link} href={`/projects/${projectId}/label?status=untagged`} underline="always">
        Label {untagged === 1 ? "it" : "them"}
      </Anchor>
    </Text>
  );
}
