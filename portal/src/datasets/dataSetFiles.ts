/** From dropped files to the archive that is sent, and what their names tell. */
import type { DroppedFile } from "../lib/droppedFiles";
import { openZip } from "../lib/zip";
import { zipOf } from "../lib/zipOf";
import { filesOfZip } from "../uploads/filesOfZip";
import { pathOf } from "../uploads/intake";

const ZIP = /\.zip$/i;
const LABELS = /\.(jsonl?|xml|csv|tsv|ya?ml|names)$/i;
const LABELS_OF_YOLO = /(^|\/)labels\/.*\.txt$/i;
const SYSTEM_FILES = /(^|\/)(\.DS_Store|Thumbs\.db|desktop\.ini|\._[^/]*|__MACOSX\/.*)$/i;

function isZip({ file }: DroppedFile): boolean {
  return ZIP.test(file.name);
}

/** Whether a path is that of labels in one of the formats. */
export function isLabelFile(path: string): boolean {
  return !SYSTEM_FILES.test(path) && (LABELS.test(path) || LABELS_OF_YOLO.test(path));
}

/** Whether dropped files, or those within an archive, are labels beside the images: a data set. */
export async function hasLabels(files: readonly DroppedFile[]): Promise<boolean> {
  if (files.some((each) => isLabelFile(pathOf(each)))) return true;
  for (const archive of files.filter(isZip)) {
    try {
      if ((await openZip(archive.file)).some(({ path }) => isLabelFile(path))) return true;
    } catch {
      // What is wrong with an archive is said where it is used.
    }
  }
  return false;
}

/**
 * The archive that is sent for the files: an archive that was dropped alone as it is, everything else packed.
 * Rejects with a Problem for what cannot be read.
 */
export async function archiveOf(
  files: readonly DroppedFile[],
  signal: AbortSignal,
  onProgress: (done: number, total: number) => void,
): Promise<Blob> {
  const [first] = files;
  if (files.length === 1 && first && isZip(first)) return first.file;
  const found: DroppedFile[] = [];
  for (const each of files) found.push(...(isZip(each) ? await filesOfZip(each) : [each]));
  const packed = found.map((each) => ({ path: pathOf(each), file: each.file })).filter(({ path }) => !SYSTEM_FILES.test(path));
  return zipOf(packed, signal, (done) => onProgress(done, packed.length));
}

const LONGEST_NAME = 100;

/** A name for a project of the files: that of their folder, or of their first file without its ending. */
export function nameOf(files: readonly DroppedFile[]): string {
  const [first] = files;
  if (!first) return "";
  const name = first.folders[0] ?? first.file.name.replace(/\.[^.]*$/, "");
  return name.trim().slice(0, LONGEST_NAME);
}

/** What was chosen, in a few words: the name of the folder or file. */
export function subjectOf(files: readonly DroppedFile[]): string {
  const [first] = files;
  if (!first) return "";
  return first.folders[0] ?? first.file.name;
}
