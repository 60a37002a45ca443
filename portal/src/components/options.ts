import { cut } from "../lib/names";

const LONGEST_OPTION = 80;

/** Tags or iterations as the options of a select, by their names. */
export function optionsOf(items: readonly { id: string; name: string }[]): { value: string; label: string }[] {
  return items.map(({ id, name }) => ({ value: id, label: cut(name, LONGEST_OPTION) }));
}
