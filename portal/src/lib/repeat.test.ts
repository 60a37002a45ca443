import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { repeat } from "./repeat";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Attempts that end when `end` is called, and their signals. */
function attempts() {
  const begun: { signal: AbortSignal; end: () => void }[] = [];
  const attempt = (signal: AbortSignal) => new Promise<void>((end) => begun.push({ signal, end }));
  return { begun, attempt };
}

it("waits for the end of an attempt before it makes the next one", async () => {
  const { begun, attempt } = attempts();
  const { end } = repeat(attempt, 100);
  await vi.advanceTimersByTimeAsync(1000);
  expect(begun).toHaveLength(1);
  begun[0]?.end();
  await vi.advanceTimersByTimeAsync(99);
  expect(begun).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(begun).toHaveLength(2);
  end();
});

it("begins an attempt at once on demand, instead of the one that runs", async () => {
  const { begun, attempt } = attempts();
  const { now, end } = repeat(attempt, 100);
  now();
  now();
  expect(begun.map(({ signal }) => signal.aborted)).toEqual([true, false]);
  begun[0]?.end();
  await vi.advanceTimersByTimeAsync(1000);
  expect(begun).toHaveLength(2);
  end();
});

it("ends with the attempt that runs", async () => {
  const { begun, attempt } = attempts();
  const { now, end } = repeat(attempt, 100);
  now();
  end();
  begun[0]?.end();
  await vi.advanceTimersByTimeAsync(1000);
  expect(begun.map(({ signal }) => signal.aborted)).toEqual([true]);
});
