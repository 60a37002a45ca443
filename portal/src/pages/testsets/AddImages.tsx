import { Alert, Button, FileButton, Group, Progress, Stack, Text, Title } from "@mantine/core";
import { IconPhotoPlus } from "@tabler/icons-react";
import { useState } from "react";
import { inWords } from "../../api/errors";
import { useProjectKind } from "../../api/queries/projects";
import { announce } from "../../components/announce";
import { filesOfInput, type DroppedFile } from "../../lib/droppedFiles";
import { count } from "../../lib/format";
import { FolderButton } from "../../uploads/FolderButton";
import { useDrop } from "../../uploads/useDrop";
import type { Outcome } from "./adding";
import styles from "./testsets.module.css";
import { useAdding } from "./useAdding";

const MOST_LISTED = 200;

interface Props {
  projectId: string;
  testSetId: string;
  /** In one row, where there are images already. */
  isCompact: boolean;
}

/** Where a folder is dropped whose subfolders are tags; progress, and what was refused image by image. */
export function AddImages({ projectId, testSetId, isCompact }: Props) {
  const { isDetection, isAnomaly } = useProjectKind(projectId);
  const { state, add, cancel } = useAdding(projectId, testSetId);
  const [problem, setProblem] = useState<string | null>(null);
  const isRunning = state?.isRunning ?? false;

  async function begin(files: readonly DroppedFile[]) {
    setProblem(null);
    try {
      const outcome = await add(files);
      if (outcome) announce(`${count(outcome.added, "image")} added, ${outcome.refused.length} refused`);
    } catch (error) {
      setProblem(inWords(error));
    }
  }
  const over = useDrop((files) => void begin(files), !isRunning);

  return (
    <section aria-label="Add images">
      <div className={styles.drop} data-over={over || undefined} data-compact={isCompact || undefined}>
        <div className={styles.words}>
          <Title order={2} size="h5">
            Add images
          </Title>
          <Text size="sm" c="dimmed">
            {isDetection
              ? "Drop images without objects here. Images with boxes are added through the API: each with its regions."
              : isAnomaly
                ? "Drop a folder or an archive whose subfolders have the names of tags, or choose one. Images of any other tag than that of good parts are defects; images without a tag are always wrong."
                : "Drop a folder or an archive whose subfolders have the names of tags, or choose one. Images outside of subfolders have no tag: any prediction for them is wrong."}
          </Text>
        </div>
        <Group gap="xs" justify="center">
          <FolderButton disabled={isRunning} onFiles={(files) => void begin(files)} />
          <FileButton multiple accept="image/*,.zip" onChange={(files) => void begin(filesOfInput(files))} disabled={isRunning}>
            {(props) => (
              <Button variant="default" leftSection={<IconPhotoPlus size={18} />} {...props}>
                Choose images
              </Button>
            )}
          </FileButton>
        </Group>
      </div>
      {problem && (
        <Alert color="red" role="alert" mt="sm">
          {problem}
        </Alert>
      )}
      {state && (
        <Stack gap="xs" mt="sm">
          {isRunning && (
            <Group wrap="nowrap">
              <Progress aria-label="Progress" value={(100 * state.done) / Math.max(1, state.total)} style={{ flex: 1 }} />
              <Text size="sm">
                {state.done.toLocaleString()} of {state.total.toLocaleString()}
              </Text>
              <Button size="compact-sm" variant="default" onClick={cancel}>
                Stop
              </Button>
            </Group>
          )}
          <Report outcome={state} />
        </Stack>
      )}
    </section>
  );
}

function Report({ outcome }: { outcome: Outcome & { isRunning: boolean } }) {
  const { added, duplicates, refused, alsoInTraining } = outcome;
  if (outcome.isRunning && refused.length === 0) return null;
  return (
    <>
      {!outcome.isRunning && (
        <Text size="sm">
          {count(added, "image")} added{duplicates > 0 && `, ${duplicates.toLocaleString()} were in the test set already`}
          {refused.length > 0 && `, ${refused.length.toLocaleString()} refused`}.
        </Text>
      )}
      {alsoInTraining > 0 && (
        <Alert color="yellow" title={`${count(alsoInTraining, "image")} of these are images of the project, too`}>
          Iterations that are trained on them have better figures on this test set than on new images. The table of iterations shows how many of their training images are in the test set.
        </Alert>
      )}
      {refused.length > 0 && (
        <Alert color="red" title={`${count(refused.length, "image")} refused`}>
          {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a list that scrolls is reached by keyboard */}
          <ul className={styles.refused} tabIndex={0} aria-label="Refused images">
            {refused.slice(0, MOST_LISTED).map(({ name, reason }, index) => (
              <li key={`${name} ${index}`}>
                <strong>
                  <bdi>{name}</bdi>
                </strong>
                : {reason}
              </li>
            ))}
            {refused.length > MOST_LISTED && <li>and {(refused.length - MOST_LISTED).toLocaleString()} more</li>}
          </ul>
        </Alert>
      )}
    </>
  );
}
