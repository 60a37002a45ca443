/** From dropped files to what can be uploaded: archives are opened, kinds are found out. */
import { inWords } from "../api/errors";
import { filesOfZip } from "./filesOfZip";
import { examine, isSendable, pathOf, reasonOf, type Candidate } from "./intake";
import type { DroppedFile } from "../lib/droppedFiles";

export interface Intake {
  candidates: readonly Candidate[];
  /** Archives that cannot be read, with the reason. */
  problems: readonly { name: string; reason: string }[];
}

export const NO_FILES: Intake = { candidates: [], problems: [] };

export async function intakeOf(files: readonly DroppedFile[]): Promise<Intake> {
  const examined = await examine(files);
  const candidates = examined.filter((each) => each.kind !== "zip");
  const problems: { name: string; reason: string }[] = [];
  for (const archive of examined.filter((each) => each.kind === "zip")) {
    try {
      const files = await filesOfZip(archive);
      if (files.length === 0) problems.push({ name: pathOf(archive), reason: "The archive contains no files." });
      candidates.push(...(await examine(files)));
    } catch (error) {
      problems.push({ name: pathOf(archive), reason: inWords(error) });
    }
  }
  return { candidates, problems };
}

/** `before` with more files: a file that was chosen already is not there twice. */
export function added(before: Intake, more: Intake): Intake {
  const key = (each: Candidate) => `${pathOf(each)} ${each.file.size} ${each.file.lastModified}`;
  const known = new Set(before.candidates.map(key));
  return {
    candidates: [...before.candidates, ...more.candidates.filter((each) => !known.has(key(each)))],
    problems: [...before.problems, ...more.problems],
  };
}

/** Why files are left out whatever is chosen: names with a short reason. */
export function leftOut({ candidates, problems }: Intake): { name: string; reason: string }[] {
  const files = candidates.filter((each) => !isSendable(each));
  return [...problems, ...files.map((each) => ({ name: pathOf(each), reason: reasonOf(each.kind) }))];
}
