import { expect, it } from "vitest";
import { limiter } from "./limiter";

it("never runs more than the limit, also when a call comes as another one ends", async () => {
  const limited = limiter(2);
  const began: number[] = [];
  const ends: (() => void)[] = [];
  let running = 0;
  let most = 0;
  const work = (number: number) => () => {
    began.push(number);
    most = Math.max(most, ++running);
    return new Promise<void>((resolve) => {
      ends.push(() => {
        running -= 1;
        resolve();
      });
    });
  };
  const calls = [1, 2, 3, 4].map((number) => limited(work(number)));
  expect(began).toEqual([1, 2]);
  const late = calls[0]?.then(() => limited(work(5)));
  ends[0]?.();
  await calls[0];
  expect(began).toEqual([1, 2, 3]);
  for (let index = 1; index < 5; index++) {
    ends[index]?.();
    await new Promise((resolve) => setTimeout(resolve));
  }
  await Promise.all([...calls, late]);
  expect([began, most]).toEqual([[1, 2, 3, 4, 5], 2]);
});

it("goes on after work that fails", async () => {
  const limited = limiter(1);
  await expect(limited(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(await limited(() => Promise.resolve(1))).toBe(1);
});
