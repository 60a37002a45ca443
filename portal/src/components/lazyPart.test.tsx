import { expect, test } from "vitest";
import { PartNotLoaded } from "../api/errors";
import { loadedPart } from "./lazyPart";

test("a file that does not come is requested again, with growing pauses", async () => {
  const pauses: number[] = [];
  let requests = 0;
  const load = () => (++requests < 3 ? Promise.reject(new TypeError("Failed to fetch")) : Promise.resolve("part"));
  const part = await loadedPart(load, (ms) => Promise.resolve(void pauses.push(ms)));
  expect(part).toBe("part");
  expect(pauses).toEqual([500, 1000]);
});

test("a file that never comes is a failure in words", async () => {
  const load = () => Promise.reject(new TypeError("Failed to fetch dynamically imported module"));
  await expect(loadedPart(load, () => Promise.resolve())).rejects.toThrow(PartNotLoaded);
});
