/** Adding files to a test set, without requests: their batches, and what became of them. */
import type { AddedTestImage } from "../../api/queries/testSets";
import { folded } from "../../lib/names";
import { containers, tagOfFile } from "../../uploads/folderTags";
import type { Candidate } from "../../uploads/intake";
import { planBatches } from "../../uploads/plan";
import { refusal } from "../../uploads/statuses";

/** The service accepts 64 images in a request; fewer keep the progress moving. */
const LIMITS = { images: 16, bytes: 24 * 1024 * 1024 };

export interface Batch {
  /** The name of the tag of all files; null for files without a folder. */
  tagName: string | null;
  files: Candidate[];
}

export interface Refused {
  name: string;
  reason: string;
}

/** What became of files. `alsoInTraining`: how many of the added ones are images of the project. */
export interface Outcome {
  added: number;
  duplicates: number;
  alsoInTraining: number;
  refused: readonly Refused[];
}

export const NOTHING: Outcome = { added: 0, duplicates: 0, alsoInTraining: 0, refused: [] };

/** The files in batches of one tag each. The last folder names the tag: "set/cats/1.jpg" is of "cats". */
export function batches(files: readonly Candidate[]): Batch[] {
  const skipped = containers(files);
  const items = files.map((file, index) => {
    const tagName = tagOfFile(file, "last", skipped);
    return { index, file, tagName, size: file.file.size, tagIds: tagName === null ? [] : [folded(tagName)] };
  });
  return planBatches(items, LIMITS).map((batch) => ({ tagName: batch[0]?.tagName ?? null, files: batch.map((item) => item.file) }));
}

/** What became of the images of a request. `names`: of its images, in the order of the results. */
export function outcomeOf(names: readonly string[], results: readonly AddedTestImage[]): Outcome {
  return {
    added: results.filter((each) => each.status === "OK").length,
    duplicates: results.filter((each) => each.status === "OKDuplicate").length,
    alsoInTraining: results.filter((each) => each.status === "OK" && each.image?.alsoInTraining).length,
    refused: results.flatMap(({ image, status, reason }, index) =>
      image === null ? [{ name: names[index] ?? "", reason: wordsOf(status, reason) }] : [],
    ),
  };
}

/** Reasons about tags name them; others are said as for all uploads. */
function wordsOf(status: string, reason: string): string {
  if (status === "ErrorInvalidTag") return `${reason.charAt(0).toUpperCase()}${reason.slice(1)}.`;
  if (status === "ErrorTagLimitExceed") return "The image is in the test set already, with another tag.";
  return refusal(status, false);
}

export function merged(one: Outcome, other: Outcome): Outcome {
  return {
    added: one.added + other.added,
    duplicates: one.duplicates + other.duplicates,
    alsoInTraining: one.alsoInTraining + other.alsoInTraining,
    refused: [...one.refused, ...other.refused],
  };
}
