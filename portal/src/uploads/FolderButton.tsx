import { Button } from "@mantine/core";
import { IconFolder } from "@tabler/icons-react";
import { useRef } from "react";
import { filesOfInput, type DroppedFile } from "../lib/droppedFiles";

interface Props {
  disabled?: boolean;
  onFiles: (files: readonly DroppedFile[]) => void;
}

/** Chooses a folder with all its levels. */
export function FolderButton({ disabled, onFiles }: Props) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <Button variant="default" leftSection={<IconFolder size={18} />} disabled={disabled} onClick={() => input.current?.click()}>
        Choose a folder
      </Button>
      <input
        ref={input}
        type="file"
        hidden
        multiple
        aria-label="Folder"
        {...{ webkitdirectory: "" }}
        onChange={(event) => {
          onFiles(filesOfInput(event.currentTarget.files ?? []));
          event.currentTarget.value = "";
        }}
      />
    </>
  );
}
