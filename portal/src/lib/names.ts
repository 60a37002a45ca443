/** Rules of the service for names, so that a mistake is said before anything is written; their order and comparison. */

const LONGEST_NAME = 256;
// Control characters, and the separators of lines and paragraphs.
const BREAKS = /[\p{Cc}\u2028\u2029]/u;

const collator = new Intl.Collator(undefined, { numeric: true });

/** Compares names for lists, numbers in them by their value: "part 9" before "part 10". */
export const compareNames = collator.compare;

/**
 * A name for comparisons without regard to case, as the service compares (Unicode's full case folding), whatever the
 * language of the browser: in Turkish, "I" would not be the capital of "i". The dotless "ı" is a letter of its own.
 */
export function folded(name: string): string {
  return name.trim().replaceAll(/[^\u0131]+/gu, (part) => part.toLowerCase().toUpperCase().toLowerCase());
}

/** A name cut for a choice or a label of at most `length` characters, never within one. */
export function cut(name: string, length: number): string {
  const characters = Array.from(name);
  return characters.length > length ? `${characters.slice(0, length - 1).join("")}…` : name;
}

/** Why a tag cannot have this name, as a sentence; null when it can. */
export function problemOfName(name: string): string | null {
  if (name.trim() === "") return "The name must not be empty.";
  const length = Array.from(name).length;
  if (length > LONGEST_NAME) return `The name has ${length.toLocaleString()} characters; at most ${LONGEST_NAME} are allowed.`;
  if (BREAKS.test(name)) return "The name contains line breaks or control characters.";
  return null;
}
