import { expect, it } from "vitest";
import { planBatches, type Item } from "./plan";

const items = (amount: number, size: number, ...tagIds: string[]): Item[] =>
  Array.from({ length: amount }, (_, index) => ({ index, size, tagIds }));

it("has at most 64 images in a batch", () => {
  expect(planBatches(items(130, 10)).map((batch) => batch.length)).toEqual([64, 64, 2]);
});

it("has at most the bytes of a request in a batch, but always one image", () => {
  const limits = { images: 64, bytes: 100 };
  expect(planBatches(items(5, 40), limits).map((batch) => batch.length)).toEqual([2, 2, 1]);
  expect(planBatches(items(2, 500), limits).map((batch) => batch.length)).toEqual([1, 1]);
});

it("has images of the same tags in a batch", () => {
  const batches = planBatches([...items(3, 1, "a", "b"), ...items(2, 1), ...items(1, 1, "b", "a")]);
  expect(batches.map((batch) => batch.length)).toEqual([4, 2]);
});
