/** Messages for screen readers: "Saved, 3 of 40". The shell has the live region. */
import { Store } from "../lib/store";

export const announcement = new Store("");

/** Announce a message politely, when the screen reader is done with what it reads. */
export function announce(message: string): void {
  // A message that is repeated must differ to be read again.
  announcement.set(message === announcement.get() ? `${message}\u00a0` : message);
}
