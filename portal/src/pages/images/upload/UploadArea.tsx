import { useCallback, useState } from "react";
import type { Tag } from "../../../api/queries/tags";
import { DataSetDialog } from "../../../datasets/DataSetDialog";
import { hasLabels } from "../../../datasets/dataSetFiles";
import type { DroppedFile } from "../../../lib/droppedFiles";
import { DropOverlay } from "../../../uploads/DropOverlay";
import { added, intakeOf, NO_FILES, type Intake } from "../../../uploads/intakeOfDrop";
import { useDrop } from "../../../uploads/useDrop";
import { UploadDialog } from "./UploadDialog";

interface Props {
  projectId: string;
  tags: readonly Tag[];
  /** The dialog that is open: of images, of a data set. */
  opened: "add" | "dataset" | null;
  onOpened: (opened: "add" | "dataset" | null) => void;
  enabled: boolean;
}

const NO_DATA_SET: readonly DroppedFile[] = [];

/** Takes files that are dropped on the page or pasted, and shows the dialog of the upload, or that of a data set. */
export function UploadArea({ projectId, tags, opened, onOpened, enabled }: Props) {
  const [intake, setIntake] = useState<Intake>(NO_FILES);
  const [reading, setReading] = useState(0);
  const [dataSet, setDataSet] = useState(NO_DATA_SET);

  const add = useCallback(
    async (files: readonly DroppedFile[]) => {
      if (files.length === 0) return;
      onOpened("add");
      setReading((before) => before + 1);
      try {
        const more = await intakeOf(files);
        setIntake((before) => added(before, more));
      } finally {
        setReading((before) => before - 1);
      }
    },
    [onOpened],
  );
  const over = useDrop((files) => void take(files), enabled);

  function importDataSet(files: readonly DroppedFile[]) {
    setDataSet(files);
    onOpened("dataset");
  }
  async function take(files: readonly DroppedFile[]) {
    if (opened === "dataset" || (await hasLabels(files))) importDataSet(files);
    else await add(files);
  }

  return (
    <>
      {over && <DropOverlay text="Drop images, folders, zip archives or a data set" />}
      <UploadDialog
        projectId={projectId}
        tags={tags}
        intake={intake}
        reading={reading > 0}
        onFiles={(files) => void take(files)}
        opened={opened === "add"}
        onClose={() => {
          onOpened(null);
          setIntake(NO_FILES);
        }}
      />
      <DataSetDialog
        projectId={projectId}
        opened={opened === "dataset"}
        files={dataSet}
        onFiles={setDataSet}
        onImagesOnly={() => {
          void add(dataSet);
          setDataSet(NO_DATA_SET);
        }}
        onClose={() => {
          onOpened(null);
          setDataSet(NO_DATA_SET);
        }}
      />
    </>
  );
}
