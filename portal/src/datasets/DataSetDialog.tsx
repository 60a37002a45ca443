import { Modal } from "@mantine/core";
import { lazyPart } from "../components/lazyPart";
import type { DroppedFile } from "../lib/droppedFiles";

const DataSetImport = lazyPart(() => import("./DataSetImport"));

interface Props {
  projectId: string;
  opened: boolean;
  onClose: () => void;
  files: readonly DroppedFile[];
  onFiles: (files: readonly DroppedFile[]) => void;
  onImagesOnly: () => void;
}

/** The import of a data set into a project. */
export function DataSetDialog({ opened, ...rest }: Props) {
  return (
    <Modal opened={opened} onClose={rest.onClose} title="Import a data set" size="xl">
      <DataSetImport {...rest} />
    </Modal>
  );
}
