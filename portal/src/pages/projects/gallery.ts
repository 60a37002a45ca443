/** Searching and sorting the gallery. */
import type { Project } from "../../api/queries/projects";
import { compareNames, folded } from "../../lib/names";

export const ORDERS = [
  { value: "changed", label: "Last change" },
  { value: "created", label: "Newest" },
  { value: "name", label: "Name" },
] as const;
type Order = (typeof ORDERS)[number]["value"];

export function orderOf(text: string | null): Order {
  return ORDERS.find((each) => each.value === text)?.value ?? "changed";
}

const COMPARE: Record<Order, (a: Project, b: Project) => number> = {
  changed: (a, b) => b.lastModified.localeCompare(a.lastModified),
  created: (a, b) => b.created.localeCompare(a.created),
  name: (a, b) => compareNames(a.name, b.name),
};

/** The projects whose name or description has all words of the search, in an order. */
export function arranged(projects: readonly Project[], search: string, order: Order): Project[] {
  const words = folded(search).split(/\s+/).filter(Boolean);
  return projects
    .filter((each) => {
      const text = folded(`${each.name}\n${each.description}`);
      return words.every((word) => text.includes(word));
    })
    .toSorted(COMPARE[order]);
}
