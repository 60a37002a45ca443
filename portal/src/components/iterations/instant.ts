/** Models of the instant trainer in words. */
import { optionsOf } from "../options";

export const FOR_TESTS = "instant, for tests only";

/** An iteration as the option of a select. */
export function choiceOf({ id, name }: { id: string; name: string }, instant: ReadonlySet<string> | undefined): { value: string; label: string } {
  const [{ label } = { label: "" }] = optionsOf([{ id, name }]);
  return { value: id, label: instant?.has(id) ? `${label} (${FOR_TESTS})` : label };
}

/** The first iteration whose model is of use for real images; the first one where there is none. */
export function preferred<Each extends { id: string }>(iterations: readonly Each[], instant: ReadonlySet<string>): Each | undefined {
  return iterations.find((each) => !instant.has(each.id)) ?? iterations[0];
}
