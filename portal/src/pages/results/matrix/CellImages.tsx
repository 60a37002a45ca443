import { ActionIcon, Button, Group, Stack, Text, Title } from "@mantine/core";
import { IconX } from "@tabler/icons-react";
import { useMemo, type Ref } from "react";
import { useCellImages, useCurrentImages, type CellOf, type ConfusionMatrix } from "../../../api/queries/insight";
import { useTags } from "../../../api/queries/tags";
import { EmptyState, Loaded } from "../../../components/states";
import { count } from "../../../lib/format";
import { useThresholds } from "../../../components/thresholds/address";
import { cellTitle, orderText } from "../../../components/matrix/cell";
import { CellCard } from "./CellCard";
import styles from "./cells.module.css";

/** The most images whose present labels one request can ask for. */
const MOST_CURRENT = 256;

interface Props {
  ref: Ref<HTMLElement>;
  projectId: string;
  iterationId: string;
  matrix: ConfusionMatrix;
  cell: CellOf;
  isDetection: boolean;
  onClose: () => void;
}

/** The images behind a number, where a wrong label is corrected in place. */
export function CellImages({ ref, projectId, iterationId, matrix, cell, isDetection, onClose }: Props) {
  const thresholds = useThresholds();
  const query = useCellImages(projectId, iterationId, thresholds, cell);
  const images = useMemo(() => query.data?.pages.flat(), [query.data]);
  const current = useCurrentImages(projectId, (images ?? []).slice(0, MOST_CURRENT).map((image) => image.id)).data;
  const tags = useTags(projectId).data ?? [];
  const names = new Map(matrix.tags.map((tag) => [tag.id, tag.name]));
  const title = cellTitle(cell, (id) => names.get(id) ?? "a deleted tag", isDetection);
  return (
    <section ref={ref} tabIndex={-1} className={styles.images} aria-label={`Images: ${title}`}>
      <Group justify="space-between" wrap="nowrap" align="flex-start">
        <div>
          <Title order={2} size="h5">
            {title}
          </Title>
          <Text size="sm" c="dimmed">
            {orderText(cell, isDetection)}
          </Text>
        </div>
        <ActionIcon variant="subtle" color="gray" size="lg" aria-label="Close the images" onClick={onClose}>
          <IconX size={18} />
        </ActionIcon>
      </Group>
      <Loaded query={{ ...query, data: images }}>
        {(all) =>
          all.length === 0 ? (
            <EmptyState title="There are no images">At these thresholds the number is 0, or its images were deleted.</EmptyState>
          ) : (
            <Stack>
              <ul className={styles.cards}>
                {all.map((image) => (
                  <li key={image.id}>
                    <CellCard
                      projectId={projectId}
                      image={image}
                      cell={cell}
                      current={current?.get(image.id)}
                      isLoaded={current !== undefined}
                      tags={tags}
                      isDetection={isDetection}
                      isMulticlass={matrix.type === "Multiclass"}
                    />
                  </li>
                ))}
              </ul>
              {query.hasNextPage ? (
                <Button variant="default" loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
                  Show more
                </Button>
              ) : (
                <Text size="sm" c="dimmed" role="status">
                  {count(all.length, "image")}
                </Text>
              )}
            </Stack>
          )
        }
      </Loaded>
    </section>
  );
}
