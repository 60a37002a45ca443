import { Alert, Button, Checkbox, FileButton, Group, List, Loader, Modal, SegmentedControl, Stack, TagsInput, Text } from "@mantine/core";
import { useState } from "react";
import { useProjectKind } from "../../../api/queries/projects";
import type { Tag } from "../../../api/queries/tags";
import { bytes, count } from "../../../lib/format";
import { filesOfInput, type DroppedFile } from "../../../lib/droppedFiles";
import { folded, problemOfName } from "../../../lib/names";
import { folderTags, hasLevels, type Level } from "../../../uploads/folderTags";
import { FolderButton } from "../../../uploads/FolderButton";
import { isSendable } from "../../../uploads/intake";
import { leftOut, type Intake } from "../../../uploads/intakeOfDrop";
import { startUpload } from "../../../uploads/uploads";
import { filesToSend } from "./filesToSend";
import { FolderTagTable } from "./FolderTagTable";
import { Previews } from "./Previews";

interface Props {
  projectId: string;
  tags: readonly Tag[];
  intake: Intake;
  reading: boolean;
  onFiles: (files: readonly DroppedFile[]) => void;
  opened: boolean;
  onClose: () => void;
}

/** Left out files that are listed by name. */
const LISTED = 5;

/** What will be uploaded, with which tags: nothing is written before the button is pressed. */
export function UploadDialog({ opened, onClose, ...rest }: Props) {
  const [isStarted, setStarted] = useState(false);
  // The next keys are meant for the images, not for the button that opened the dialog.
  const onStarted = () => {
    setStarted(true);
    onClose();
  };
  const focusPage = () => {
    if (isStarted) document.getElementById("main")?.focus();
  };
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title="Add images"
      size="lg"
      returnFocus={!isStarted}
      onEnterTransitionEnd={() => setStarted(false)}
      onExitTransitionEnd={focusPage}
    >
      {opened && <UploadForm {...rest} onClose={onClose} onStarted={onStarted} />}
    </Modal>
  );
}

function UploadForm({ projectId, tags, intake, reading, onFiles, onClose, onStarted }: Omit<Props, "opened"> & { onStarted: () => void }) {
  const { isDetection, isMulticlass } = useProjectKind(projectId);
  const [level, setLevel] = useState<Level>("last");
  const [common, setCommon] = useState<string[]>([]);
  const [left, setLeft] = useState<ReadonlySet<string>>(new Set());
  const [scale, setScale] = useState(true);
  const [convert, setConvert] = useState(true);

  const { candidates } = intake;
  const dropped = leftOut(intake);
  const chosenLevel = isDetection ? "none" : level;
  const { files, refused } = filesToSend(candidates, { level: chosenLevel, left, common, scale, convert, isMulticlass });
  const sendable = candidates.filter(isSendable);
  const found = isDetection ? [] : folderTags(sendable, level);
  const given = [...found.map(({ name }) => name).filter((name) => !left.has(folded(name))), ...common];
  const isRefused = given.some((name) => problemOfName(name) !== null);
  const hasFolders = sendable.some((each) => each.folders.length > 0);
  const large = candidates.filter((each) => each.kind === "large");
  const convertible = candidates.filter((each) => each.kind === "convertible");
  const size = files.reduce((sum, each) => sum + each.file.size, 0);

  function start() {
    void startUpload(projectId, files, { isMulticlass, refused });
    onStarted();
  }

  return (
    <Stack>
      {reading ? (
        <Group role="status">
          <Loader size="sm" /> Reading the files
        </Group>
      ) : candidates.length === 0 ? (
        <Text>
          Drop images, folders or zip archives on the page, paste an image, or choose them here. JPEG, PNG, BMP and GIF,
          at most 6 MB each.
        </Text>
      ) : (
        <>
          <Text fw={600} data-testid="upload-summary">
            {count(files.length, "image")}, {bytes(size)}
          </Text>
          <Previews files={sendable} />
        </>
      )}
      <Group gap="xs">
        <FileButton multiple accept="image/*,.zip" onChange={(list) => onFiles(filesOfInput(list))}>
          {(props) => (
            <Button variant={candidates.length ? "default" : "filled"} {...props}>
              Choose files
            </Button>
          )}
        </FileButton>
        <FolderButton onFiles={onFiles} />
      </Group>
      {isDetection ? (
        <Text size="sm" c="dimmed">
          {hasFolders
            ? "Folders are not turned into tags here: in an object detection project, tags belong to boxes. Draw the boxes on the page Label."
            : "Tags are given with boxes, on the Label page."}
        </Text>
      ) : (
        candidates.length > 0 && (
          <>
            {hasFolders && (
              <Stack gap="xs">
                <Group gap="sm">
                  <Text size="sm" fw={500}>
                    Tags of folders
                  </Text>
                  <SegmentedControl
                    size="xs"
                    aria-label="Tags of folders"
                    value={level}
                    onChange={setLevel}
                    data={[
                      { value: "last", label: hasLevels(sendable) ? "Last folder" : "Folder" },
                      ...(hasLevels(sendable) ? [{ value: "first" as const, label: "First folder" }] : []),
                      { value: "none", label: "None" },
                    ]}
                  />
                </Group>
                {level !== "none" && (
                  <FolderTagTable
                    found={found}
                    known={tags}
                    left={left}
                    onLeft={(name, isLeft) => {
                      const next = new Set(left);
                      if (isLeft) next.add(folded(name));
                      else next.delete(folded(name));
                      setLeft(next);
                    }}
                  />
                )}
              </Stack>
            )}
            <TagsInput
              label={isMulticlass ? "Tag for all images" : "Tags for all images"}
              description={
                isMulticlass ? "One at most. Images with a tag of their folder keep that one." : "Existing or new tags; Enter adds one."
              }
              data={tags.map((tag) => tag.name)}
              value={common}
              onChange={setCommon}
              maxTags={isMulticlass ? 1 : 20}
              limit={50}
              error={common.map(problemOfName).find((problem) => problem !== null)}
              acceptValueOnBlur
              clearable
            />
          </>
        )
      )}
      {large.length > 0 && (
        <Checkbox
          checked={scale}
          onChange={(event) => setScale(event.currentTarget.checked)}
          label={`Scale ${count(large.length, "image")} of more than 6 MB down before the upload`}
          description="In the browser, to at most 4,096 pixels. Otherwise they are left out."
        />
      )}
      {convertible.length > 0 && (
        <Checkbox
          checked={convert}
          onChange={(event) => setConvert(event.currentTarget.checked)}
          label={`Convert ${count(convertible.length, "WebP or AVIF image")} to JPEG before the upload`}
          description="The service does not support these formats. Otherwise they are left out."
        />
      )}
      {dropped.length > 0 && (
        <Alert color="orange" p="xs" title={`${count(dropped.length, "file")} left out`}>
          <List size="sm">
            {dropped.slice(0, LISTED).map(({ name, reason }) => (
              <List.Item key={name}>
                <bdi>{name}</bdi>: {reason}
              </List.Item>
            ))}
          </List>
          {dropped.length > LISTED && <Text size="sm">and {(dropped.length - LISTED).toLocaleString()} more</Text>}
        </Alert>
      )}
      <Group justify="flex-end">
        <Button variant="default" onClick={onClose}>
          Cancel
        </Button>
        <Button onClick={start} disabled={reading || files.length === 0 || isRefused}>
          {files.length ? `Upload ${count(files.length, "image")}` : "Upload"}
        </Button>
      </Group>
    </Stack>
  );
}
