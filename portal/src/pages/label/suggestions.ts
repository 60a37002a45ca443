/** Suggestions of a model and region proposals for an image, as ghost boxes or tags. */
import { area, type Box, type Size, fromRegion } from "./geometry";
import type { LabelBox } from "./labels";
import type { Schemas } from "../../api/client";

export interface Ghost {
  id: string;
  /** null: a region proposal, which has no tag. */
  tagId: string | null;
  /** Of a suggestion, or the confidence of a proposal; 0 to 1. */
  probability: number;
  box: Box;
}

interface SuggestedTag {
  tagId: string;
  probability: number;
}

/** From this overlap on, a box of the same tag is the suggestion, accepted before. */
const SAME_OBJECT = 0.5;
const SAME_PROPOSAL = 0.7;
const MOST_PROPOSALS = 12;

/** Intersection over union, 0 to 1. */
export function overlap(one: Box, other: Box): number {
  const width = Math.min(one.x + one.width, other.x + other.width) - Math.max(one.x, other.x);
  const height = Math.min(one.y + one.height, other.y + other.height) - Math.max(one.y, other.y);
  if (width <= 0 || height <= 0) return 0;
  const shared = width * height;
  return shared / (area(one) + area(other) - shared);
}

/** Ghost boxes for what the image does not have yet, the most probable first. */
export function ghostBoxes(
  predictions: readonly Schemas["Prediction"][],
  image: Size,
  boxes: readonly LabelBox[],
  known: (tagId: string) => boolean,
  threshold: number,
): Ghost[] {
  return predictions
    .flatMap((each, index): Ghost[] =>
      each.boundingBox && each.probability >= threshold && known(each.tagId)
        ? [{ id: `suggestion-${index}`, tagId: each.tagId, probability: each.probability, box: fromRegion(each.boundingBox, image) }]
        : [],
    )
    .filter((ghost) => !boxes.some((each) => each.tagId === ghost.tagId && overlap(each.box, ghost.box) >= SAME_OBJECT))
    .toSorted((one, other) => other.probability - one.probability);
}

export function proposalGhosts(proposals: readonly Schemas["RegionProposal"][], image: Size, boxes: readonly LabelBox[], others: readonly Ghost[]): Ghost[] {
  return proposals
    .map((each, index): Ghost => ({ id: `proposal-${index}`, tagId: null, probability: each.confidence, box: fromRegion(each.boundingBox, image) }))
    .toSorted((one, other) => other.probability - one.probability)
    .filter((ghost) => ![...boxes, ...others].some((each) => overlap(each.box, ghost.box) >= SAME_PROPOSAL))
    .slice(0, MOST_PROPOSALS);
}

/** Suggested tags that the image does not have yet, the most probable first. */
export function suggestedTags(
  predictions: readonly Schemas["Prediction"][],
  tagIds: readonly string[],
  known: (tagId: string) => boolean,
  threshold: number,
): SuggestedTag[] {
  return predictions
    .filter((each) => each.probability >= threshold && known(each.tagId) && !tagIds.includes(each.tagId))
    .map(({ tagId, probability }) => ({ tagId, probability }))
    .toSorted((one, other) => other.probability - one.probability);
}
