/** Labels of an image against predictions: what is right, and what is not. */
import type { ImageOfCell } from "../../../api/queries/insight";
import type { Pair } from "../corrections/matches";

export type EvaluatedImage = ImageOfCell;
export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

export interface Judged {
  tagId: string;
  tagName: string;
  isRight: boolean;
  /** As fractions of the image; null in classification. */
  box: Box | null;
}

export interface JudgedPrediction extends Judged {
  probability: number;
}

export interface Judgment {
  image: EvaluatedImage;
  /** What is there; right if it was predicted. */
  labels: readonly Judged[];
  /** The predictions that count, most probable first; right if they are there. */
  predictions: readonly JudgedPrediction[];
  isWrong: boolean;
  /** How sure the model was of its error, 0 to 1; 0 where nothing is wrong. */
  severity: number;
}

export interface Rules {
  isDetection: boolean;
  isMulticlass: boolean;
  threshold: number;
  overlapThreshold: number;
  /** Tags that the model can predict; labels of other tags are not counted. */
  modelTagIds: ReadonlySet<string>;
  /** Of anomaly detection: the tag of the good parts. An image of any other tag is a known defect. */
  goodTagId?: string | undefined;
}

export function judged(image: EvaluatedImage, rules: Rules): Judgment {
  const { labels, predictions } = rules.isDetection
    ? detected(image, rules)
    : rules.goodTagId === undefined
      ? classified(image, rules)
      : inspected(image, rules.goodTagId, rules.threshold);
  const falseOnes = predictions.filter((each) => !each.isRight).map((each) => each.probability);
  const missed = labels.filter((each) => !each.isRight).map((each) => 1 - bestOf(image, each.tagId));
  const severities = [...falseOnes, ...missed];
  return { image, labels, predictions, isWrong: severities.length > 0, severity: Math.max(0, ...severities) };
}

function bestOf(image: EvaluatedImage, tagId: string): number {
  return Math.max(0, ...image.predictions.filter((each) => each.tagId === tagId).map((each) => each.probability));
}

/** Predictions that reach the threshold; in multiclass projects the most probable one alone. */
function counted(image: EvaluatedImage, rules: Rules) {
  const ordered = image.predictions.toSorted((a, b) => b.probability - a.probability);
  const candidates = rules.isMulticlass ? ordered.slice(0, 1) : ordered;
  return candidates.filter((each) => each.probability >= rules.threshold);
}

function classified(image: EvaluatedImage, rules: Rules) {
  const actual = image.tags.filter((each) => rules.modelTagIds.has(each.tagId));
  const found = counted(image, rules);
  const predictions = found.map((each) => ({
    tagId: each.tagId,
    tagName: each.tagName,
    probability: each.probability,
    isRight: actual.some((label) => label.tagId === each.tagId),
    box: null,
  }));
  const labels = actual.map((each) => ({
    tagId: each.tagId,
    tagName: each.tagName,
    isRight: found.some((prediction) => prediction.tagId === each.tagId),
    box: null,
  }));
  return { labels, predictions };
}

/** Anomaly detection: an anomaly from the threshold on, however probable a good part is; below it a good part. */
function inspected(image: EvaluatedImage, goodTagId: string, threshold: number) {
  const anomaly = image.predictions.find((each) => each.tagId !== goodTagId);
  const isFound = anomaly !== undefined && anomaly.probability >= threshold;
  const isGood = image.tags.some((each) => each.tagId === goodTagId);
  const isRight = isFound !== isGood;
  const found = isFound ? anomaly : image.predictions.find((each) => each.tagId === goodTagId);
  return {
    labels: image.tags.map(({ tagId, tagName }) => ({ tagId, tagName, isRight, box: null })),
    predictions: found ? [{ tagId: found.tagId, tagName: found.tagName, probability: found.probability, isRight, box: null }] : [],
  };
}

/**
 * As the emulator matches boxes: of each tag, by falling probability, each with the object of the largest overlap
 * that has none yet.
 */
function detected(image: EvaluatedImage, rules: Rules) {
  const labels = image.regions
    .filter((each) => rules.modelTagIds.has(each.tagId))
    .map((each) => ({ tagId: each.tagId, tagName: each.tagName, isRight: false, box: boxOf(each) }));
  const predictions = counted(image, rules).flatMap((each) => {
    if (!each.boundingBox) return [];
    const box = boxOf(each.boundingBox);
    const free = labels
      .filter((label) => label.tagId === each.tagId && !label.isRight)
      .map((label) => ({ label, overlap: overlapOf(label.box, box) }))
      .filter(({ overlap }) => overlap >= rules.overlapThreshold)
      .toSorted((a, b) => b.overlap - a.overlap)[0];
    if (free) free.label.isRight = true;
    const { tagId, tagName, probability } = each;
    return [{ tagId, tagName, probability, isRight: free !== undefined, box }];
  });
  return { labels, predictions };
}

function boxOf({ left, top, width, height }: Box): Box {
  return { left, top, width, height };
}

/** Intersection over union, 0 to 1. */
export function overlapOf(a: Box, b: Box): number {
  const width = Math.min(a.left + a.width, b.left + b.width) - Math.max(a.left, b.left);
  const height = Math.min(a.top + a.height, b.top + b.height) - Math.max(a.top, b.top);
  if (width <= 0 || height <= 0) return 0;
  const shared = width * height;
  return shared / (a.width * a.height + b.width * b.height - shared);
}

/** Wrong ones first, those first of which the model was surest; others in the order given. */
export function wrongFirst(judgments: readonly Judgment[]): Judgment[] {
  return judgments.toSorted((a, b) => Number(b.isWrong) - Number(a.isWrong) || b.severity - a.severity);
}

/** Whether an image has to do with a tag: by a label, or by a prediction that counts. */
export function concerns({ labels, predictions }: Judgment, tagId: string): boolean {
  return labels.some((each) => each.tagId === tagId) || predictions.some((each) => each.tagId === tagId);
}

/** Whether something about this tag is wrong in the image. */
export function isWrongAbout({ labels, predictions }: Judgment, tagId: string): boolean {
  return [...labels, ...predictions].some((each) => each.tagId === tagId && !each.isRight);
}

/** Ids of the tags that were predicted and are not there, or the other way round. */
export function wrongTagIds({ labels, predictions }: Judgment): string[] {
  return [...labels, ...predictions].filter((each) => !each.isRight).map((each) => each.tagId);
}

/**
 * What is wrong about boxes, as in the confusion matrix: wrong boxes, most probable first, each with the object of
 * another tag that it overlaps most, and objects that were missed.
 */
export function wrongPairs({ labels, predictions }: Judgment, overlapThreshold: number): Pair[] {
  const missed = new Set(labels.filter((each) => !each.isRight));
  const confused = predictions
    .filter((each) => !each.isRight)
    .map((prediction) => {
      const [closest] = [...missed]
        .map((label) => ({ label, overlap: label.box && prediction.box ? overlapOf(label.box, prediction.box) : 0 }))
        .filter(({ overlap }) => overlap >= overlapThreshold)
        .toSorted((a, b) => b.overlap - a.overlap);
      if (closest) missed.delete(closest.label);
      return pair(closest?.label, prediction);
    });
  return [...confused, ...[...missed].map((label) => pair(label, undefined))];
}

function pair(label: Judged | undefined, prediction: JudgedPrediction | undefined): Pair {
  return {
    object: label?.box ? { tagId: label.tagId, tagName: label.tagName, boundingBox: label.box } : null,
    prediction: prediction ? { ...prediction, boundingBox: prediction.box } : null,
  };
}
