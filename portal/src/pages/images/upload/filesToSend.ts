import { folded } from "../../../lib/names";
import { containers, tagOfFile, type Level } from "../../../uploads/folderTags";
import { isSendable, pathOf, reasonOf, type Candidate } from "../../../uploads/intake";
import type { Finding, UploadFile } from "../../../uploads/uploader";

export interface Choices {
  level: Level;
  /** Folded names of tags of folders that are not given. */
  left: ReadonlySet<string>;
  /** Names of tags for all images. */
  common: readonly string[];
  /** Scale images over the limit down; otherwise they are left out. */
  scale: boolean;
  /** Convert images in other formats. */
  convert: boolean;
  isMulticlass: boolean;
}

/** The files to upload with the names of their tags, and the refused ones with the reason. */
export function filesToSend(candidates: readonly Candidate[], choices: Choices): { files: UploadFile[]; refused: Finding[] } {
  const files: UploadFile[] = [];
  const refused: Finding[] = [];
  const isSent = ({ kind }: Candidate) =>
    kind === "image" || (kind === "large" && choices.scale) || (kind === "convertible" && choices.convert);
  const skipped = containers(candidates.filter(isSendable));
  for (const each of candidates) {
    const file = { file: each.file, name: pathOf(each), scale: each.kind !== "image" };
    if (isSent(each)) files.push({ ...file, tags: tagsOf(each, skipped, choices) });
    else refused.push({ file: { ...file, tags: [] }, outcome: "refused", reason: reasonOf(each.kind), canRetry: false });
  }
  return { files, refused };
}

function tagsOf(each: Candidate, skipped: number, { level, left, common, isMulticlass }: Choices): string[] {
  const own = tagOfFile(each, level, skipped);
  const given = own !== null && !left.has(folded(own)) ? [own] : [];
  if (isMulticlass) return given.length ? given : common.slice(0, 1);
  return [...given, ...common.filter((name) => !given.some((tag) => folded(tag) === folded(name)))];
}
