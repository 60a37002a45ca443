import { ActionIcon, Group, Menu, Stack, Text, Title } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { IconDots, IconPencil, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { useLocation } from "wouter";
import { inWords } from "../../api/errors";
import { useIterations } from "../../api/queries/iterations";
import { deleteTestSet, renameTestSet, useEvaluations, type TestSet } from "../../api/queries/testSets";
import { useConfirm } from "../../components/confirm";
import { Moment } from "../../components/Moment";
import { Loaded } from "../../components/states";
import { together } from "../../components/together";
import { useThresholds } from "../../components/thresholds/address";
import { count, named } from "../../lib/format";
import { AddImages } from "./AddImages";
import { EvaluationTable } from "./EvaluationTable";
import { NameDialog } from "./NameDialog";
import { TestImageGrid } from "./TestImageGrid";
import styles from "./testsets.module.css";
import { useChanged } from "./useChanged";

/** One test set: its evaluations, adding images, its images. */
export function TestSetView({ projectId, testSet }: { projectId: string; testSet: TestSet }) {
  const [renaming, setRenaming] = useState(false);
  const { ask, dialog } = useConfirm();
  const [, navigate] = useLocation();
  const changed = useChanged(projectId);
  const hasImages = testSet.imageCount > 0;
  // What is below the table is shown together with it, so that nothing moves when the table arrives.
  const complete = together(useIterations(projectId), useEvaluations(projectId, testSet.id, useThresholds()));

  async function remove() {
    const agreed = await ask({
      title: "Delete this test set?",
      message: `${named(testSet.name)} has ${count(testSet.imageCount, "image")}. Its images and evaluations cannot be restored.`,
      action: "Delete test set",
      danger: true,
    });
    if (!agreed) return;
    try {
      await deleteTestSet(projectId, testSet.id);
      navigate(`/projects/${projectId}/testsets`);
    } catch (error) {
      notifications.show({ color: "red", message: inWords(error) });
    }
    await changed();
  }

  return (
    <Stack gap="lg">
      <header>
        <Group justify="space-between" wrap="nowrap" align="flex-start">
          <Title order={1} size="h3" className={styles.name} title={testSet.name}>
            <bdi>{testSet.name}</bdi>
          </Title>
          <Menu position="bottom-end">
            <Menu.Target>
              <ActionIcon variant="default" size={36} aria-label="More about this test set">
                <IconDots size={18} />
              </ActionIcon>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Item leftSection={<IconPencil size={16} />} onClick={() => setRenaming(true)}>
                Rename
              </Menu.Item>
              <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={() => void remove()}>
                Delete
              </Menu.Item>
            </Menu.Dropdown>
          </Menu>
        </Group>
        <Text size="sm" c="dimmed">
          {count(testSet.imageCount, "image")}, {count(testSet.tags.length, "tag")}
          {testSet.untaggedImageCount > 0 && `, ${testSet.untaggedImageCount.toLocaleString()} without a tag`}. Changed{" "}
          <Moment value={testSet.lastModified} />. No training uses these images.
        </Text>
      </header>
      <Loaded query={complete}>
        {() => (
          <>
            {hasImages && <EvaluationTable projectId={projectId} testSet={testSet} />}
            <AddImages projectId={projectId} testSetId={testSet.id} isCompact={hasImages} />
            {hasImages && <TestImageGrid projectId={projectId} testSet={testSet} />}
          </>
        )}
      </Loaded>
      <NameDialog
        title="Rename test set"
        action="Rename"
        initial={testSet.name}
        opened={renaming}
        onClose={() => setRenaming(false)}
        onSubmit={async (name) => {
          await renameTestSet(projectId, testSet.id, name);
          await changed();
        }}
      />
      {dialog}
    </Stack>
  );
}
