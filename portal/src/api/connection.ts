/** Whether the server responds and the session is valid: a small store that the shell shows as a banner. */
import { useSyncExternalStore } from "react";
import { Store } from "../lib/store";

type Connection = "online" | "lost" | "signedOut";

const state = new Store<Connection>("online");

export const setConnection = state.set;
export const connection = state.get;

export function useConnection(): Connection {
  return useSyncExternalStore(state.subscribe, state.get);
}

/** Resolves when the server responds and the session is valid (at once if so already). */
export function whenOnline(): Promise<void> {
  if (state.get() === "online") return Promise.resolve();
  return new Promise((resolve) => {
    const end = state.subscribe(() => {
      if (state.get() !== "online") return;
      end();
      resolve();
    });
  });
}
