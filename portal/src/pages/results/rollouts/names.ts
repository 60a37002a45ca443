/** The published names under which an iteration can be tried. */
import type { PublishedName } from "../../../api/queries/rollouts";
import { runningOf } from "./changes";

export interface NameToTry {
  publishName: string;
  /** Of the iteration that is published by the name. */
  iterationName: string;
}

/** Names of other iterations without a running roll-out; none for an iteration that is tried already. */
export function namesToTry(names: readonly PublishedName[], iterationId: string): NameToTry[] {
  if (names.some((each) => runningOf(each)?.candidate.iterationId === iterationId)) return [];
  return names.flatMap((each) =>
    each.iteration && each.iteration.id !== iterationId && !runningOf(each)
      ? [{ publishName: each.publishName, iterationName: each.iteration.name }]
      : [],
  );
}
