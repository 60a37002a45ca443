/** What a hint says, and the correction that it proposes. */
import type { LabelHint, LabelIssue } from "../../../api/queries/insight";
import { named, percent } from "../../../lib/format";
import { boxOfTag } from "../corrections/matches";
import type { Correction } from "../corrections/corrections";

/** An issue in a sentence. */
export function sentence(issue: LabelIssue): string {
  const present = named(issue.tagName ?? "");
  const proposed = named(issue.proposedTagName ?? "");
  const likely = percent(issue.proposedProbability, 0);
  const own = percent(issue.probability, 0);
  switch (issue.reason) {
    case "WrongTag":
      return `Tagged ${present}, but a model that had not seen the image predicts ${proposed} with ${likely}, and ${present} with ${own}.`;
    case "MissingTag":
      return `${proposed} is predicted with ${likely}, but the image does not have the tag.`;
    case "SpuriousTag":
      return `Tagged ${present}, which is predicted with ${own} only.`;
    case "WrongRegionTag":
      return `A region of ${present} is predicted as ${proposed} with ${likely}, and as ${present} with ${own}.`;
    case "MissingRegion":
      return `${proposed} is predicted with ${likely} where no region is marked.`;
    case "SpuriousRegion":
      return `Nothing is predicted at a region of ${present}, which is usually found with ${percent(issue.usualProbability, 0)}.`;
  }
}

/** The proposed correction in words, for its button and for undo. */
export function proposal(issue: LabelIssue): { button: string; done: string } {
  const present = named(issue.tagName ?? "");
  const proposed = named(issue.proposedTagName ?? "");
  switch (issue.reason) {
    case "WrongTag":
    case "WrongRegionTag":
      return { button: `Change to ${proposed}`, done: `Changed ${present} to ${proposed}` };
    case "MissingTag":
      return { button: `Add ${proposed}`, done: `Added ${proposed}` };
    case "SpuriousTag":
      return { button: `Remove ${present}`, done: `Removed ${present}` };
    case "MissingRegion":
      return { button: `Add the region of ${proposed}`, done: `Added a region of ${proposed}` };
    case "SpuriousRegion":
      return { button: `Delete the region of ${present}`, done: `Deleted a region of ${present}` };
  }
}

/** The proposed correction; null when it cannot be made (the region is gone). */
export function correctionOfIssue(hint: LabelHint, issue: LabelIssue): Correction | null {
  const { tagId, proposedTagId } = issue;
  switch (issue.reason) {
    case "WrongTag":
    case "MissingTag":
    case "SpuriousTag":
      return { kind: "tags", add: proposedTagId ? [proposedTagId] : [], remove: tagId ? [tagId] : [] };
    case "MissingRegion":
      return proposedTagId && issue.proposedBoundingBox
        ? { kind: "regions", add: [boxOfTag(issue.proposedBoundingBox, proposedTagId)], remove: [] }
        : null;
    case "WrongRegionTag":
    case "SpuriousRegion": {
      const region = hint.regions.find((each) => each.regionId === issue.regionId);
      if (!region) return null;
      const remove = [{ id: region.regionId, box: boxOfTag(region, region.tagId) }];
      const replaces = issue.reason === "WrongRegionTag" && proposedTagId;
      return { kind: "regions", add: replaces ? [boxOfTag(region, proposedTagId)] : [], remove };
    }
  }
}
