import type { DroppedFile } from "../lib/droppedFiles";
import { openZip } from "../lib/zip";

/**
 * The files of a dropped archive, as if its content had been dropped. Files outside of its folders are in one of
 * the archive's name where no file has a folder. Rejects with a ZipProblem.
 */
export async function filesOfZip({ file, folders }: DroppedFile): Promise<DroppedFile[]> {
  const name = file.name.replace(/\.zip$/i, "");
  const found: DroppedFile[] = [];
  const entries = await openZip(file);
  const own = entries.some((entry) => entry.path.includes("/")) ? [] : [name];
  for (const entry of entries) {
    const parts = entry.path.split("/").filter((part) => part && part !== "." && part !== "..");
    const content = new File([await entry.read()], parts.at(-1) ?? "", { lastModified: file.lastModified });
    found.push({ file: content, folders: [...folders, ...own, ...parts.slice(0, -1)] });
  }
  return found;
}
