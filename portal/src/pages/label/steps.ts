/** Undo and redo of versions of a value that a person edits, without a server. */

interface Step<Value> {
  /** What led to `value`: "Moved a box". */
  label: string;
  value: Value;
}

export interface Steps<Value> {
  current: Value;
  past: readonly Step<Value>[];
  future: readonly Step<Value>[];
}

const LONGEST = 200;

/** Whether there are steps, also such as were undone. */
export function isEdited({ past, future }: Steps<unknown>): boolean {
  return past.length + future.length > 0;
}

export function begin<Value>(value: Value): Steps<Value> {
  return { current: value, past: [], future: [] };
}

/**
 * The next version. `merge`: a step of the same label replaces the last one, as for a box that a key moves pixel
 * by pixel; undo then goes back to before the first.
 */
export function changed<Value>(steps: Steps<Value>, value: Value, label: string, merge = false): Steps<Value> {
  const last = steps.past.at(-1);
  if (merge && last?.label === label && steps.future.length === 0) return { ...steps, current: value };
  return { current: value, past: [...steps.past, { label, value: steps.current }].slice(-LONGEST), future: [] };
}

export function undone<Value>(steps: Steps<Value>): { steps: Steps<Value>; label: string } | null {
  const last = steps.past.at(-1);
  if (!last) return null;
  const future = [...steps.future, { label: last.label, value: steps.current }];
  return { steps: { current: last.value, past: steps.past.slice(0, -1), future }, label: last.label };
}

export function redone<Value>(steps: Steps<Value>): { steps: Steps<Value>; label: string } | null {
  const next = steps.future.at(-1);
  if (!next) return null;
  const past = [...steps.past, { label: next.label, value: steps.current }];
  return { steps: { current: next.value, past, future: steps.future.slice(0, -1) }, label: next.label };
}

/** The same change in all versions, so that undo does not take it back. */
export function mapped<Value>(steps: Steps<Value>, change: (value: Value) => Value): Steps<Value> {
  const all = (list: readonly Step<Value>[]) => list.map((step) => ({ ...step, value: change(step.value) }));
  return { current: change(steps.current), past: all(steps.past), future: all(steps.future) };
}
