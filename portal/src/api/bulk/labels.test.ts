import { describe, expect, it } from "vitest";
import { addedPairs, boxesOff, removals, replacing, reversed, tagging, untagging, type Target, type TagRules } from "./labels";

const target = (id: string, ...tagIds: string[]): Target => ({ id, tagIds, regions: [] });
const MULTILABEL: TagRules = { isMulticlass: false, negative: new Set(["no"]) };
const MULTICLASS: TagRules = { isMulticlass: true, negative: new Set(["no"]) };

describe("tagging", () => {
  it("adds the tag where it is missing", () => {
    const changes = tagging([target("1"), target("2", "dog"), target("3", "cat")], "cat", MULTILABEL);
    expect(addedPairs(changes)).toEqual([
      { imageId: "1", tagId: "cat" },
      { imageId: "2", tagId: "cat" },
    ]);
    expect(removals(changes)).toEqual([]);
  });

  it("replaces the tag in a multiclass project", () => {
    const changes = tagging([target("1", "dog"), target("2", "bird"), target("3")], "cat", MULTICLASS);
    expect(changes.map((each) => each.after)).toEqual([["cat"], ["cat"], ["cat"]]);
    expect(removals(changes)).toEqual([{ imageIds: ["1", "2"], tagIds: ["dog", "bird"] }]);
  });

  it("keeps a negative tag alone", () => {
    expect(tagging([target("1", "no")], "cat", MULTILABEL)[0]?.after).toEqual(["cat"]);
    expect(tagging([target("1", "cat", "dog")], "no", MULTILABEL)[0]?.after).toEqual(["no"]);
  });
});

describe("untagging", () => {
  it("takes only what is there, with its boxes", () => {
    const boxed: Target = {
      id: "1",
      tagIds: ["cat", "dog"],
      regions: [
        { tagId: "cat", left: 0, top: 0, width: 0.5, height: 0.5 },
        { tagId: "dog", left: 0.1, top: 0, width: 0.5, height: 0.5 },
      ],
    };
    const changes = untagging([boxed, target("2", "dog")], ["cat"]);
    expect(changes).toHaveLength(1);
    expect(changes[0]?.lost.map((box) => box.tagId)).toEqual(["cat"]);
    const back = changes.map(reversed);
    expect(addedPairs(back)).toEqual([{ imageId: "1", tagId: "cat" }]);
    expect(back[0]?.boxes).toEqual(changes[0]?.lost);
    expect(back.map(reversed)).toEqual(changes);
  });

  it("never takes a tag that stays", () => {
    const changes = [
      { imageId: "1", before: ["a", "b"], after: ["b"], boxes: [], lost: [] },
      { imageId: "2", before: ["a", "b"], after: ["a"], boxes: [], lost: [] },
      { imageId: "3", before: ["a", "c"], after: ["c"], boxes: [], lost: [] },
    ];
    expect(removals(changes)).toEqual([
      { imageIds: ["1", "3"], tagIds: ["a"] },
      { imageIds: ["2"], tagIds: ["b"] },
    ]);
  });

  it("has at most 20 tags in a request", () => {
    const many = Array.from({ length: 45 }, (_, index) => `t${index}`);
    const requests = removals(untagging([target("1", ...many)], many));
    expect(requests.map((request) => request.tagIds.length)).toEqual([20, 20, 5]);
  });
});

describe("replacing", () => {
  const place = { left: 0, top: 0, width: 0.5, height: 0.5 };
  const other = { ...place, left: 0.25 };

  it("gives the boxes of a tag to the other one", () => {
    const [change] = replacing([{ id: "1", tagIds: ["auto"], regions: [{ tagId: "auto", ...place }] }], "auto", "car");
    expect(change).toMatchObject({ after: ["car"], boxes: [{ tagId: "car", ...place }] });
    expect(removals([change].flatMap((each) => each ?? []).map(reversed))).toEqual([{ imageIds: ["1"], tagIds: ["car"] }]);
  });

  it("takes just the boxes that it added off when it is undone, where the image had both tags", () => {
    const regions = [{ tagId: "auto", ...place }, { tagId: "auto", ...other }, { tagId: "car", ...other }];
    const changes = replacing([{ id: "1", tagIds: ["auto", "car"], regions }], "auto", "car");
    expect(changes[0]?.boxes).toEqual([{ tagId: "car", ...place }]);
    const back = changes.map(reversed);
    expect(removals(back)).toEqual([]);
    expect([...boxesOff(back)]).toEqual([["1", [{ tagId: "car", ...place }]]]);
    expect(back[0]?.boxes).toEqual(regions.slice(0, 2));
    expect(boxesOff(changes).size).toBe(0);
  });
});
