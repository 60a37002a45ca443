import { Kbd } from "@mantine/core";
import { keysOf, shownKey, useBindings } from "./bindings";

/** A function that returns the first key of an action, as it is shown; null where it has none. */
export function useKeyNames(): (action: string) => string | null {
  const bindings = useBindings();
  return (action) => keysOf(action, bindings).map(shownKey)[0] ?? null;
}

/** The key of an action; nothing where it has none. */
export function KeyOf({ action }: { action: string }) {
  const key = useKeyNames()(action);
  return key === null ? null : <Kbd size="xs">{key}</Kbd>;
}
