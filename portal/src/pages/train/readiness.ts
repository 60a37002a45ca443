/** What a training needs of the tags of the workspace. */
import type { Tag } from "../../api/queries/tags";
import { count, named } from "../../lib/format";

const IMAGES_PER_TAG = 5;
const BOXED_IMAGES_PER_TAG = 15;
const FEWEST_TAGS = 2;
/** Images of good parts for anomaly detection. */
const GOOD_IMAGES = 10;
/** Above this ratio of the largest tag to the smallest, the model prefers the large ones. */
const MOST_IMBALANCE = 2;

export interface Readiness {
  /** Images that each tag needs. */
  minimum: number;
  /** Sentences on what is missing; empty when a training can begin. */
  problems: readonly string[];
  /** Tags without enough images, those with the fewest first. */
  lacking: readonly Tag[];
  /** The tags with the fewest and the most images, when they differ too much. */
  imbalance: { smallest: Tag; largest: Tag } | null;
}

/** Whether these tags can be trained on. A Negative tag without images is left out of a training. */
export function readiness(tags: readonly Tag[], isDetection: boolean): Readiness {
  const minimum = isDetection ? BOXED_IMAGES_PER_TAG : IMAGES_PER_TAG;
  const trained = tags.filter((tag) => tag.type !== "Negative" || tag.imageCount > 0);
  const sorted = trained.toSorted((a, b) => a.imageCount - b.imageCount);
  const lacking = sorted.filter((tag) => tag.imageCount < minimum);
  return {
    minimum,
    problems: problems(trained, lacking, minimum, isDetection),
    lacking,
    imbalance: lacking.length > 0 ? null : imbalance(sorted),
  };
}

/** Whether anomaly detection can be trained on these tags: one has images of good parts, a Negative one known defects. */
export function anomalyReadiness(tags: readonly Tag[]): Readiness {
  const good = tags.filter((tag) => tag.type !== "Negative");
  const lacking = good.length === 1 ? good.filter((tag) => tag.imageCount < GOOD_IMAGES) : [];
  const found =
    good.length === 0
      ? [`There is no tag of good parts yet. Give at least ${GOOD_IMAGES} images of good parts a tag.`]
      : good.length > 1
        ? [
            `There are ${good.length} tags, and one of them is that of the good parts. Choose it under 'More options'; images of the others are known defects then.`,
          ]
        : lacking.map((tag) => lackOf(tag, GOOD_IMAGES, false));
  return { minimum: GOOD_IMAGES, problems: found, lacking, imbalance: null };
}

function problems(tags: readonly Tag[], lacking: readonly Tag[], minimum: number, isDetection: boolean): string[] {
  if (isDetection) {
    if (tags.length === 0) return ["There is no tag yet. Draw boxes and give them tags."];
    if (tags.some((tag) => tag.type === "Negative")) return ["Detectors are not trained with a negative tag. Leave it out."];
  } else if (tags.length < FEWEST_TAGS) {
    const there = tags.length === 0 ? "there is none yet" : "there is one";
    return [`A classifier needs at least ${FEWEST_TAGS} tags, and ${there}.`];
  } else if (tags.every((tag) => tag.type === "Negative")) {
    return ["A classifier needs a tag besides the negative one."];
  }
  return lacking.map((tag) => lackOf(tag, minimum, isDetection));
}

/** "'apple' needs 3 more images: it has 2 of 5." */
export function lackOf(tag: Tag, minimum: number, isDetection: boolean): string {
  const kind = isDetection ? "image with boxes" : "image";
  const kinds = isDetection ? "images with boxes" : "images";
  return `${named(tag.name)} needs ${count(minimum - tag.imageCount, `more ${kind}`, `more ${kinds}`)}: it has ${tag.imageCount} of ${minimum}.`;
}

function imbalance(sorted: readonly Tag[]): Readiness["imbalance"] {
  const regular = sorted.filter((tag) => tag.type !== "Negative");
  const smallest = regular[0];
  const largest = regular.at(-1);
  if (!smallest || !largest || largest.imageCount <= MOST_IMBALANCE * smallest.imageCount) return null;
  return { smallest, largest };
}
