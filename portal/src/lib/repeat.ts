/**
 * Makes attempts one after the other, each a pause after the last one has ended. `attempt` does not reject; its
 * signal is aborted when another attempt begins or the attempts end.
 */
export function repeat(attempt: (signal: AbortSignal) => Promise<void>, pauseMs: number): { now: () => void; end: () => void } {
  let running = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stop = () => {
    clearTimeout(timer);
    running.abort();
  };
  const wait = () => {
    timer = setTimeout(now, pauseMs);
  };
  function now(): void {
    stop();
    const { signal } = (running = new AbortController());
    void attempt(signal).then(() => {
      if (!signal.aborted) wait();
    });
  }
  wait();
  return { now, end: stop };
}
