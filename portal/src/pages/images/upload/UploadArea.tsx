import { useCallback, useState } from "react";
import type { Tag } from "../../../api/queries/tags";
import type { DroppedFile } from "../../../lib/droppedFiles";
import { DropOverlay } from "../../../uploads/DropOverlay";
import { added, intakeOf, NO_FILES, type Intake } from "../../../uploads/intakeOfDrop";
import { useDrop } from "../../../uploads/useDrop";
import { UploadDialog } from "./UploadDialog";

interface Props {
  projectId: string;
  tags: readonly Tag[];
  opened: boolean;
  onOpened: (opened: boolean) => void;
  enabled: boolean;
}

/** Takes files that are dropped on the page or pasted, and shows the dialog of the upload. */
export function UploadArea({ projectId, tags, opened, onOpened, enabled }: Props) {
  const [intake, setIntake] = useState<Intake>(NO_FILES);
  const [reading, setReading] = useState(0);

  const add = useCallback(
    async (files: readonly DroppedFile[]) => {
      if (files.length === 0) return;
      onOpened(true);
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
  const over = useDrop((files) => void add(files), enabled);

  return (
    <>
      {over && <DropOverlay text="Drop images, folders or zip archives" />}
      <UploadDialog
        projectId={projectId}
        tags={tags}
        intake={intake}
        reading={reading > 0}
        onFiles={(files) => void add(files)}
        opened={opened}
        onClose={() => {
          onOpened(false);
          setIntake(NO_FILES);
        }}
      />
    </>
  );
}
