import { expect, it } from "vitest";
import { addressOf, filterOf, queryOf } from "./filter";

it("keeps a filter in the address", () => {
  const filter = { iterationId: "i", order: "Newest", tagId: "t", from: 0.2, to: 0.9 } as const;
  expect(filterOf(addressOf(filter))).toEqual(filter);
});

it("reads an address that someone else wrote", () => {
  expect(filterOf(new URLSearchParams("order=best&from=7&to=x"))).toEqual({
    iterationId: null,
    order: "Suggested",
    tagId: null,
    from: 0,
    to: 1,
  });
  expect(addressOf(filterOf(new URLSearchParams("from=0.5"))).toString()).toBe("");
});

it("asks for the probability of a tag only with a tag", () => {
  expect(queryOf(filterOf(new URLSearchParams("from=0.5")))).toEqual({ orderBy: "Suggested" });
  expect(queryOf(filterOf(new URLSearchParams("tag=t&from=0.5")))).toEqual({
    orderBy: "Suggested",
    tags: [{ id: "t", minThreshold: 0.5, maxThreshold: 1 }],
  });
});
