/** Files that were dropped or chosen, with the folders that they were in. */
import { Problem } from "../api/errors";
import { named } from "./format";

export interface DroppedFile {
  file: File;
  /** Folders from the dropped one on, without the name of the file: ["fruit", "apple"]. Empty for a single file. */
  folders: readonly string[];
}

/**
 * All files of a drop, folders with all their levels included. Call it within the event's handler. Rejects with a
 * Problem where something cannot be read.
 */
export async function filesOfDrop(transfer: DataTransfer): Promise<DroppedFile[]> {
  // The entries must be taken before the first await: the list is emptied after the event.
  const entries = Array.from(transfer.items).map((item) => item.webkitGetAsEntry());
  const plain = Array.from(transfer.files);
  if (!entries.some((entry) => entry?.isDirectory)) return plain.map((file) => ({ file, folders: [] }));
  const found: DroppedFile[] = [];
  for (const entry of entries) if (entry) await collect(entry, [], found);
  return inPathOrder(found);
}

/** Files of an input element; with `webkitdirectory` they have their folders. */
export function filesOfInput(list: FileList | readonly File[]): DroppedFile[] {
  return inPathOrder(Array.from(list, (file) => ({ file, folders: file.webkitRelativePath.split("/").slice(0, -1) })));
}

/**
 * Files of folders by their paths. Browsers list a folder as its file system does; the first of two equal images
 * keeps its tag, so that the order must not depend on that. Files without a folder stay as they were chosen.
 */
export function inPathOrder(files: readonly DroppedFile[]): DroppedFile[] {
  const path = ({ folders, file }: DroppedFile) => (folders.length ? [...folders, file.name].join("/") : "");
  return files.toSorted((a, b) => (path(a) < path(b) ? -1 : path(a) > path(b) ? 1 : 0));
}

async function collect(entry: FileSystemEntry, folders: readonly string[], found: DroppedFile[]): Promise<void> {
  if (entry.isFile) {
    const file = await read<File>(entry, (resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    found.push({ file, folders });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // A reader answers at most 100 entries at a time.
    const part = await read<FileSystemEntry[]>(entry, (resolve, reject) => reader.readEntries(resolve, reject));
    if (part.length === 0) return;
    for (const each of part) await collect(each, [...folders, entry.name], found);
  }
}

function read<Result>(entry: FileSystemEntry, work: (resolve: (result: Result) => void, reject: () => void) => void): Promise<Result> {
  const path = entry.fullPath.replace(/^\//, "");
  return new Promise((resolve, reject) =>
    work(resolve, () => reject(new Problem(`${named(path)} cannot be read. It was perhaps moved or deleted.`))),
  );
}
