/** Tags from the folders of dropped files. */
import type { DroppedFile } from "../lib/droppedFiles";
import { compareNames, folded } from "../lib/names";

export type Level = "last" | "first" | "none";

/**
 * The number of leading folders that hold everything else: 1 where one folder was dropped that has folders
 * itself. It names no tag. Single files beside it do not matter.
 */
export function containers(files: readonly DroppedFile[]): number {
  const inFolders = files.filter((file) => file.folders.length > 0);
  const roots = new Set(inFolders.map((file) => file.folders[0]));
  return roots.size === 1 && inFolders.some((file) => file.folders.length > 1) ? 1 : 0;
}

/** The name of the tag of a file, or null. `level`: which of its folders names it. */
export function tagOfFile(file: DroppedFile, level: Level, skipped: number): string | null {
  if (level === "none") return null;
  const folders = file.folders.slice(skipped);
  const name = (level === "last" ? folders.at(-1) : folders[0])?.trim();
  return name ? name : null;
}

export interface FolderTag {
  name: string;
  files: number;
}

/** The tags that the folders give and the number of their files; names that differ in case only are one tag. */
export function folderTags(files: readonly DroppedFile[], level: Level): FolderTag[] {
  const skipped = containers(files);
  const found = new Map<string, FolderTag>();
  for (const file of files) {
    const name = tagOfFile(file, level, skipped);
    if (name === null) continue;
    const tag = found.get(folded(name)) ?? { name, files: 0 };
    tag.files += 1;
    found.set(folded(name), tag);
  }
  return [...found.values()].toSorted((a, b) => compareNames(a.name, b.name));
}

/** Whether the choice of the level makes a difference. */
export function hasLevels(files: readonly DroppedFile[]): boolean {
  const skipped = containers(files);
  return files.some((file) => file.folders.length - skipped > 1);
}
