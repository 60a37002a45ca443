import { ActionIcon, Button, Center, Group, NativeSelect, Stack, Text, Title } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { inWords } from "../../api/errors";
import { localUri } from "../../api/client";
import { deleteTestImages, useTestImages, type TestImage, type TestSet } from "../../api/queries/testSets";
import { useConfirm } from "../../components/confirm";
import { Loaded } from "../../components/states";
import styles from "./testsets.module.css";
import { useChanged } from "./useChanged";

/** The images of a test set, by tag; each can be deleted. */
export function TestImageGrid({ projectId, testSet }: { projectId: string; testSet: TestSet }) {
  const [tagId, setTagId] = useState("");
  const images = useTestImages(projectId, testSet.id, tagId || undefined);
  const { ask, dialog } = useConfirm();
  const changed = useChanged(projectId);

  async function remove(image: TestImage) {
    const agreed = await ask({
      title: "Delete this image?",
      message: "It is deleted from the test set and cannot be restored. Evaluations are stale afterwards.",
      action: "Delete image",
      danger: true,
    });
    if (!agreed) return;
    try {
      await deleteTestImages(projectId, testSet.id, [image.id]);
    } catch (error) {
      notifications.show({ color: "red", message: inWords(error) });
    }
    await changed();
  }

  return (
    <section aria-label="Images of the test set">
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4">
          Images
        </Title>
        <NativeSelect
          size="xs"
          aria-label="Images with the tag"
          value={tagId}
          onChange={(event) => setTagId(event.currentTarget.value)}
          data={[{ value: "", label: "All tags" }, ...testSet.tags.map((tag) => ({ value: tag.tagId, label: `${tag.tagName} (${tag.imageCount})` }))]}
        />
      </Group>
      <Loaded query={images}>
        {(pages) => (
          <Stack>
            <ul className={styles.cards}>
              {pages.pages.flat().map((image) => (
                <li key={image.id} className={styles.plain}>
                  <span className={styles.frame}>
                    <img src={localUri(image.thumbnailUri)} alt={image.name ?? ""} loading="lazy" />
                    <ActionIcon className={styles.remove} variant="default" size="sm" aria-label={`Delete ${image.name ?? "image"}`} onClick={() => void remove(image)}>
                      <IconTrash size={14} />
                    </ActionIcon>
                  </span>
                  <span className={styles.line} title={image.name ?? undefined}>
                    {image.tags.map((tag) => tag.tagName).join(", ") || "no tag"}
                  </span>
                  {image.alsoInTraining && (
                    <Text size="xs" c="dimmed">
                      also in the project
                    </Text>
                  )}
                </li>
              ))}
            </ul>
            {images.hasNextPage && (
              <Center>
                <Button variant="default" loading={images.isFetchingNextPage} onClick={() => void images.fetchNextPage()}>
                  More images
                </Button>
              </Center>
            )}
          </Stack>
        )}
      </Loaded>
      {dialog}
    </section>
  );
}
