import { notifications } from "@mantine/notifications";
import { useEffect, useRef, useState } from "react";
import { inWords } from "../api/errors";
import { filesOfDrop, type DroppedFile } from "../lib/droppedFiles";

/**
 * Files that are dropped anywhere on the page or pasted outside of text fields. What cannot be read is said. Returns
 * whether something is being dragged over the page.
 */
export function useDrop(onFiles: (files: readonly DroppedFile[]) => void, enabled: boolean): boolean {
  const [over, setOver] = useState(false);
  const latest = useRef(onFiles);
  useEffect(() => {
    latest.current = onFiles;
  });

  useEffect(() => {
    if (!enabled) return;
    // Elements within the page are entered and left, too.
    let depth = 0;
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    const end = () => {
      depth = 0;
      setOver(false);
    };
    const listeners: [string, (event: never) => void][] = [
      ["dragenter", (event: DragEvent) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        depth += 1;
        setOver(true);
      }],
      ["dragover", (event: DragEvent) => {
        if (hasFiles(event)) event.preventDefault();
      }],
      ["dragleave", (event: DragEvent) => {
        if (!hasFiles(event)) return;
        depth -= 1;
        if (depth <= 0) end();
      }],
      ["drop", (event: DragEvent) => {
        if (!hasFiles(event) || !event.dataTransfer) return;
        event.preventDefault();
        end();
        filesOfDrop(event.dataTransfer).then(
          (files) => latest.current(files),
          (error: unknown) => notifications.show({ color: "red", title: "Nothing was added", message: inWords(error) }),
        );
      }],
      ["paste", (event: ClipboardEvent) => {
        if (event.target instanceof Element && event.target.closest("input, textarea, [contenteditable=true]")) return;
        const files = Array.from(event.clipboardData?.files ?? []);
        if (files.length) latest.current(files.map((file) => ({ file, folders: [] })));
      }],
    ];
    for (const [name, listener] of listeners) window.addEventListener(name, listener as EventListener);
    return () => {
      for (const [name, listener] of listeners) window.removeEventListener(name, listener as EventListener);
    };
  }, [enabled]);
  return over;
}
