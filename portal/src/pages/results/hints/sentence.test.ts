import { describe, expect, it } from "vitest";
import type { LabelHint, LabelIssue } from "../../../api/queries/insight";
import { correctionOfIssue, proposal, sentence } from "./sentence";

const ISSUE: LabelIssue = {
  reason: "WrongTag",
  strength: 0.8,
  tagId: "cat",
  tagName: "Cat",
  probability: 0.1,
  regionId: null,
  boundingBox: null,
  proposedTagId: "dog",
  proposedTagName: "Dog",
  proposedProbability: 0.9,
  proposedBoundingBox: null,
  usualProbability: 0.85,
};
const BOX = { left: 0.5, top: 0.5, width: 0.25, height: 0.25 };
const HINT = { regions: [{ regionId: "r", tagId: "cat", tagName: "Cat", created: "", ...BOX }] } as unknown as LabelHint;
const plain = (text: string) => text.replace(/[\u2068\u2069]/g, "");

describe("a hint", () => {
  it.each([
    ["WrongTag", "Tagged 'Cat', but a model that had not seen the image predicts 'Dog' with 90%, and 'Cat' with 10%.", "Change to 'Dog'"],
    ["MissingTag", "'Dog' is predicted with 90%, but the image does not have the tag.", "Add 'Dog'"],
    ["SpuriousTag", "Tagged 'Cat', which is predicted with 10% only.", "Remove 'Cat'"],
    ["WrongRegionTag", "A region of 'Cat' is predicted as 'Dog' with 90%, and as 'Cat' with 10%.", "Change to 'Dog'"],
    ["MissingRegion", "'Dog' is predicted with 90% where no region is marked.", "Add the region of 'Dog'"],
    ["SpuriousRegion", "Nothing is predicted at a region of 'Cat', which is usually found with 85%.", "Delete the region of 'Cat'"],
  ] as const)("of %s is a sentence with a proposal", (reason, said, button) => {
    expect(plain(sentence({ ...ISSUE, reason }))).toBe(said);
    expect(plain(proposal({ ...ISSUE, reason }).button)).toBe(button);
  });

  it("changes tags", () => {
    expect(correctionOfIssue(HINT, ISSUE)).toEqual({ kind: "tags", add: ["dog"], remove: ["cat"] });
    expect(correctionOfIssue(HINT, { ...ISSUE, reason: "SpuriousTag", proposedTagId: null })).toEqual({ kind: "tags", add: [], remove: ["cat"] });
    expect(correctionOfIssue(HINT, { ...ISSUE, reason: "MissingTag", tagId: null })).toEqual({ kind: "tags", add: ["dog"], remove: [] });
  });

  it("changes regions", () => {
    const removed = [{ id: "r", box: { tagId: "cat", ...BOX } }];
    const ofRegion = { ...ISSUE, regionId: "r", boundingBox: BOX };
    expect(correctionOfIssue(HINT, { ...ofRegion, reason: "WrongRegionTag" })).toEqual({ kind: "regions", add: [{ tagId: "dog", ...BOX }], remove: removed });
    expect(correctionOfIssue(HINT, { ...ofRegion, reason: "SpuriousRegion" })).toEqual({ kind: "regions", add: [], remove: removed });
    expect(correctionOfIssue(HINT, { ...ISSUE, reason: "MissingRegion", proposedBoundingBox: BOX })).toEqual({
      kind: "regions",
      add: [{ tagId: "dog", ...BOX }],
      remove: [],
    });
    expect(correctionOfIssue(HINT, { ...ofRegion, regionId: "gone", reason: "WrongRegionTag" })).toBeNull();
  });
});
