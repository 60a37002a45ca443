import { whenOnline } from "../connection";
import { ApiError, ConnectionLost, isTransient } from "../errors";

const PAUSE_MS = 1000;
const MOST_ATTEMPTS = 30;

/** `items` in parts of at most `size`. */
export function inBatches<Item>(items: readonly Item[], size: number): Item[][] {
  const batches: Item[][] = [];
  for (let first = 0; first < items.length; first += size) batches.push(items.slice(first, first + size));
  return batches;
}

/**
 * Make a request until it succeeds or cannot: after a lost connection it waits for the server, after "too many
 * requests" for as long as the server says, after the end of a session for the next. Only for requests that can
 * be repeated.
 */
export async function persistently<Result>(request: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    try {
      return await request();
    } catch (error) {
      const isSession = error instanceof ApiError && error.status === 401;
      if (attempt >= MOST_ATTEMPTS || !(isTransient(error) || isSession)) throw error;
      if (error instanceof ConnectionLost || isSession) await aborting(whenOnline(), signal);
      else await pause(error instanceof ApiError && error.retryAfter ? error.retryAfter * 1000 : PAUSE_MS, signal);
    }
  }
}

/**
 * Run `work` for each item, at most `parallel` at a time, in their order. After a failure no other item is begun;
 * it rejects with that failure when the work on the items before has ended.
 */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  parallel: number,
  work: (item: Item, index: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const failures: unknown[] = [];
  let next = 0;
  async function worker(): Promise<void> {
    while (next < items.length && failures.length === 0) {
      const index = next++;
      try {
        results[index] = await work(items[index] as Item, index);
      } catch (error) {
        failures.push(error);
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(parallel, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
  return results;
}

function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return aborting(new Promise((resolve) => setTimeout(resolve, milliseconds)), signal);
}

/** `promise`, rejected when the signal is aborted before. */
export function aborting<Result>(promise: Promise<Result>, signal?: AbortSignal): Promise<Result> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
