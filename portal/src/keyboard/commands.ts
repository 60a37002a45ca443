/** The actions that can be run now, for the command palette. */
import { useSyncExternalStore } from "react";
import { Store } from "../lib/store";

interface Command {
  id: string;
  run: () => void;
}

const commands = new Store<readonly Command[]>([]);

/** Offer the actions until the returned function is called. */
export function registerCommands(ids: readonly string[], run: (id: string) => void): () => void {
  const added = ids.map((id) => ({ id, run: () => run(id) }));
  commands.set([...commands.get(), ...added]);
  return () => commands.set(commands.get().filter((each) => !added.includes(each)));
}

export function useCommands(): readonly Command[] {
  return useSyncExternalStore(commands.subscribe, commands.get);
}
