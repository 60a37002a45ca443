/** The budget of an advanced training in words. */
import { duration } from "../../lib/format";

export const FEWEST_HOURS = 1;
/** The service's portal offers no more. */
export const MOST_HOURS = 96;
const HOUR_SECONDS = 3600;

/** What a budget of `hours` means where an hour lasts `hourSeconds` (the option --training-hour). */
export function budgetInWords(hours: number, hourSeconds: number): string {
  const most = `The training takes at most ${duration(hours * hourSeconds)}`;
  const early = "and ends earlier if more time would not improve the model.";
  if (hourSeconds === HOUR_SECONDS) return `${most}, ${early}`;
  return `An hour of the budget lasts ${duration(hourSeconds)} here (option --training-hour ${hourSeconds}). ${most}, ${early}`;
}
