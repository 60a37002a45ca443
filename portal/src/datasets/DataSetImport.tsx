import { Alert, Button, FileButton, Group, Stack, Text } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { filesOfInput, type DroppedFile } from "../lib/droppedFiles";
import { bytes, count } from "../lib/format";
import { problemOfName } from "../lib/names";
import { FolderButton } from "../uploads/FolderButton";
import { nameOf, subjectOf } from "./dataSetFiles";
import { ImportResult } from "./ImportResult";
import { ImportOptions } from "./ImportOptions";
import { ImportPreview } from "./ImportPreview";
import { ImportProgress } from "./ImportProgress";
import type { Choices, DataSetImport as Import } from "./requests";
import { useImport } from "./useImport";

interface Props {
  /** The project that gets the images; null: a new one, or one that is named. */
  projectId: string | null;
  files: readonly DroppedFile[];
  onFiles: (files: readonly DroppedFile[]) => void;
  onClose: () => void;
  /** Upload the images without the labels instead. */
  onImagesOnly?: (() => void) | undefined;
}

/**
 * The import of a data set. What is chosen or dropped is checked at once; nothing is written before the button is
 * pressed. An import that was begun goes on when this is closed.
 */
export default function DataSetImport({ projectId, files, onFiles, onClose, onImagesOnly }: Props) {
  const [changed, setChanged] = useState<Partial<Choices>>({});
  // Other files have other parts.
  const [chosen, setChosen] = useState<{ files: readonly DroppedFile[]; parts: Choices["parts"] } | null>(null);
  const choices: Choices = {
    project: projectId ?? nameOf(files),
    format: "",
    domain: "",
    classificationType: "",
    missingImagesAllowed: false,
    ...changed,
    parts: chosen?.files === files ? chosen.parts : null,
  };
  const { step, found, check, start, cancel, isCancelling } = useImport();
  const action = useRef<HTMLButtonElement>(null);
  const latest = useRef({ check, choices });
  useEffect(() => {
    latest.current = { check, choices };
  });
  useEffect(() => {
    if (files.length > 0) void latest.current.check(files, latest.current.choices);
  }, [files]);

  if (step.name === "ended")
    return <ImportResult state={step.state} onAgain={() => void check(files, choices)} onClose={onClose} />;
  const isBusy = step.name !== "idle" && step.name !== "checked";
  const isImporting = step.name === "importing";
  const isCurrent = step.name === "checked" && JSON.stringify(step.choices) === JSON.stringify(choices);
  const checked = isCurrent && step.state.status === "Checked" ? step.state : null;
  const isReady = checked
    ? addsSomething(checked)
    : !isBusy && !isCurrent && files.length > 0 && problemOfName(choices.project) === null;
  const size = files.reduce((sum, each) => sum + each.file.size, 0);
  function act() {
    if (!isReady) return;
    if (checked) void start(checked);
    else void check(files, choices);
  }
  return (
    <Stack>
      {files.length === 0 ? (
        <Text size="sm">
          Drop a folder, a zip archive or files of a data set here, or choose them: COCO, YOLO, Pascal VOC, CVAT, Label
          Studio, Azure Machine Learning, CSV, or a folder for each tag. Images are beside the labels.
        </Text>
      ) : (
        <Text fw={600} style={{ overflowWrap: "anywhere" }} data-testid="data-set-files">
          <bdi>{subjectOf(files)}</bdi>
          {`, ${files.length > 1 ? `${count(files.length, "file")}, ` : ""}${bytes(size)}`}
        </Text>
      )}
      <Group gap="xs">
        <FileButton multiple onChange={(list) => onFiles(filesOfInput(list))} disabled={isImporting}>
          {(props) => (
            <Button variant={files.length > 0 ? "default" : "filled"} disabled={isImporting} {...props}>
              Choose files
            </Button>
          )}
        </FileButton>
        <FolderButton disabled={isImporting} onFiles={onFiles} />
        {onImagesOnly && files.length > 0 && (
          <Button variant="subtle" disabled={isImporting} onClick={onImagesOnly}>
            Add the images only
          </Button>
        )}
      </Group>
      {files.length > 0 && (
        <ImportOptions
          isNew={projectId === null}
          choices={choices}
          onChange={({ parts, ...change }) => {
            setChanged((before) => ({ ...before, ...change }));
            if (parts !== undefined) setChosen({ files, parts });
          }}
          found={found}
          disabled={isImporting}
        />
      )}
      {step.name === "idle" && step.problem !== null && (
        <Alert color="red" role="alert" style={{ overflowWrap: "anywhere" }}>
          {step.problem}
        </Alert>
      )}
      {step.name !== "idle" && step.name !== "checked" && (
        <ImportProgress
          step={step}
          onCancel={() => {
            cancel();
            if (!isImporting) action.current?.focus();
          }}
          isCancelling={isCancelling}
        />
      )}
      {step.name === "checked" && <ImportPreview state={step.state} />}
      <Group justify="flex-end" className="dialog-actions">
        <Button variant="default" onClick={onClose}>
          {step.name === "importing" ? "Close, and let it go on" : "Cancel"}
        </Button>
        {/* Not disabled, which would take the focus away from it. */}
        <Button ref={action} data-disabled={!isReady || undefined} aria-disabled={!isReady} onClick={act}>
          {checked ? importText(checked) : step.name === "checked" ? "Check again" : "Check"}
        </Button>
      </Group>
    </Stack>
  );
}

function addsSomething({ report, projectIsNew }: Import): boolean {
  return report !== null && (projectIsNew || report.newImageCount + report.changedImageCount + report.newTagCount > 0);
}

function importText(state: Import): string {
  const added = state.report?.newImageCount ?? 0;
  if (!addsSomething(state)) return "The project has all of it";
  return added > 0 ? `Import ${count(added, "image")}` : "Import the labels";
}
