/** Numbers and moments for people, in the language of the browser. */
import { cut } from "./names";

/** A fraction 0 to 1 as a percentage with one decimal; "–" where there is none. */
export function percent(fraction: number | null | undefined, digits = 1): string {
  return fraction == null ? "–" : `${(fraction * 100).toFixed(digits)}%`;
}

/** A precision; without predictions there is none. predictions: null or undefined where it is not known. */
export function precisionText(precision: number | null | undefined, predictions: number | null | undefined): string {
  return predictions === 0 ? "no predictions" : percent(precision);
}

export function count(amount: number, one: string, many = `${one}s`): string {
  return `${amount.toLocaleString()} ${amount === 1 ? one : many}`;
}

const STEPS = [
  ["second", 60],
  ["minute", 60],
  ["hour", 24],
  ["day", 30],
  ["month", 12],
  ["year", Infinity],
] as const;

/** What clocks of two machines usually differ by at most, in seconds. */
const SMALL_DIFFERENCE = 120;
const JUST_NOW_SECONDS = 10;

/**
 * "3 minutes ago". `now` in milliseconds. Where the clock of the browser or of the emulator is wrong, what was done
 * seems to be in the future: then date and time.
 */
export function ago(moment: string, now: number): string {
  const format = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  const difference = (Date.parse(moment) - now) / 1000;
  if (difference > SMALL_DIFFERENCE) return dateTime(moment);
  if (difference > -JUST_NOW_SECONDS) return "just now";
  let amount = difference;
  for (const [unit, size] of STEPS) {
    if (Math.abs(amount) < size) return format.format(Math.round(amount), unit);
    amount /= size;
  }
  return moment;
}

export function dateTime(moment: string): string {
  return new Date(moment).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** A duration: "45 s", "2 min 5 s", "1 h 20 min". */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

export function bytes(amount: number): string {
  const units = ["bytes", "KB", "MB", "GB", "TB"];
  let value = amount;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[unit] ?? ""}`;
}

const LONGEST_NAME = 40;

/** A name within a sentence: quoted, isolated from the direction of the text around it, cut when it is long. */
export function named(name: string): string {
  return `'\u2068${cut(name, LONGEST_NAME)}\u2069'`;
}
