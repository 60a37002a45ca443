/** A function that runs work as soon as fewer than `most` others run, in the order of the calls. */
export function limiter(most: number) {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async function limited<Result>(work: () => Promise<Result>): Promise<Result> {
    if (running < most) running += 1;
    else await new Promise<void>((start) => waiting.push(start));
    try {
      return await work();
    } finally {
      // The place goes to the next one without being free in between: a new call could take it.
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}
