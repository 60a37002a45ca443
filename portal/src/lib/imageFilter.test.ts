import { describe, expect, it } from "vitest";
import { ALL_IMAGES, addressOfFilter, filterOfAddress, metadataCondition, queryOfFilter, type ImageFilter } from "./imageFilter";

const FULL: ImageFilter = {
  iterationId: "i1",
  status: "Tagged",
  tagIds: ["a", "b"],
  metadata: "shop eq 'north'",
  order: "Oldest",
};

describe("the filter of images in the address", () => {
  it.each([FULL, ALL_IMAGES, { ...ALL_IMAGES, status: "Untagged" as const }])("is read as it was written", (filter) => {
    expect(filterOfAddress(new URLSearchParams(addressOfFilter(filter).toString()))).toEqual(filter);
  });

  it("leaves out defaults and keeps other parameters", () => {
    expect(addressOfFilter(ALL_IMAGES, new URLSearchParams("size=S&tags=x")).toString()).toBe("size=S");
  });

  it("reads addresses that were typed wrongly", () => {
    const filter = filterOfAddress(new URLSearchParams("status=what&order=up&tags=,a,,a"));
    expect(filter).toEqual({ ...ALL_IMAGES, tagIds: ["a"] });
    const many = Array.from({ length: 30 }, (_, index) => `t${index}`).join(",");
    expect(filterOfAddress(new URLSearchParams({ tags: many })).tagIds).toHaveLength(20);
  });

  it("has no tags with untagged images", () => {
    expect(filterOfAddress(new URLSearchParams("status=untagged&tags=a")).tagIds).toEqual([]);
  });

  it("becomes the query of the API", () => {
    expect(queryOfFilter(FULL)).toEqual({
      iterationId: "i1",
      taggingStatus: "Tagged",
      tagIds: ["a", "b"],
      $filter: "metadata=shop eq 'north'",
    });
    expect(queryOfFilter(ALL_IMAGES)).toEqual({});
  });
});

it("reads conditions on metadata", () => {
  expect(metadataCondition("shop=north")).toBe("shop eq 'north'");
  expect(metadataCondition("my key != it's")).toBe("'my key' ne 'it''s'");
  expect(metadataCondition("shop eq 'a' and shelf ne '2'")).toBe("shop eq 'a' and shelf ne '2'");
  expect(metadataCondition("cat")).toBeNull();
});
