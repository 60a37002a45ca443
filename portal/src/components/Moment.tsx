import { useSyncExternalStore } from "react";
import { ago, dateTime } from "../lib/format";
import { serverNow } from "../lib/serverTime";

const TICK_MS = 20_000;
let now = serverNow();

function onTick(listener: () => void): () => void {
  now = serverNow();
  const timer = setInterval(() => {
    now = serverNow();
    listener();
  }, TICK_MS);
  return () => clearInterval(timer);
}

/** A moment relative to now, "3 minutes ago"; date and time are its tooltip. */
export function Moment({ value }: { value: string }) {
  const current = useSyncExternalStore(onTick, () => now);
  return (
    <time dateTime={value} title={dateTime(value)}>
      {ago(value, current)}
    </time>
  );
}
