/** The keys in effect: the defaults, and what the person changed, kept in the browser. */
import { useSyncExternalStore } from "react";
import { matchKeyBindingPress, parseKeybinding } from "tinykeys";
import { ACTIONS, type Scope } from "./actions";
import { Store } from "../lib/store";
import { entriesOf, isTexts, store, storedObject } from "../lib/stored";

const STORED_AS = "custom-vision-keys";

export interface Bindings {
  /** Keys of the actions that were changed. */
  changed: Readonly<Record<string, readonly string[]>>;
  /** Whether actions with a single printable key are on (WCAG 2.2, 2.1.4: they can be turned off). */
  singleKeys: boolean;
}

const DEFAULTS: Bindings = { changed: {}, singleKeys: true };
const current = new Store(read());

function read(): Bindings {
  const { changed, singleKeys } = storedObject(STORED_AS);
  return { changed: entriesOf(changed, isTexts), singleKeys: singleKeys !== false };
}

export function changeBindings(next: Bindings): void {
  current.set(next);
  store(STORED_AS, next);
}

export function resetBindings(): void {
  changeBindings(DEFAULTS);
}

export const bindings = current.get;

export function useBindings(): Bindings {
  return useSyncExternalStore(current.subscribe, current.get);
}

/** Keys of an action, as they are in effect. */
export function keysOf(id: string, inEffect: Bindings = bindings()): readonly string[] {
  const keys = inEffect.changed[id] ?? ACTIONS[id]?.keys ?? [];
  return inEffect.singleKeys ? keys : keys.filter((key) => !isSinglePrintable(key));
}

function isSinglePrintable(key: string): boolean {
  const last = key.split(" ").at(-1) ?? "";
  return withoutCode(last.replace(/^Shift\+/, "")).length === 1 && !/\$mod|Control\+|Meta\+|Alt\+/.test(key);
}

/** Scopes with the keys of another one: the hints are a tab of the results. */
const WITHIN: Partial<Record<Scope, Scope>> = { hints: "results" };

function areActiveTogether(one: Scope, other: Scope): boolean {
  return one === other || one === "everywhere" || other === "everywhere" || WITHIN[one] === other || WITHIN[other] === one;
}

/**
 * The actions that react to a press where `id` is active, or to a sequence of keys that begins with it. Actions
 * whose keys are turned off count: they can be turned on again.
 */
export function conflicts(id: string, press: KeyboardEvent, inEffect: Bindings = bindings()): string[] {
  const scope = ACTIONS[id]?.scope ?? "everywhere";
  return Object.entries(ACTIONS)
    .filter(([other, action]) => other !== id && areActiveTogether(action.scope, scope))
    .filter(([other]) => keysOf(other, { ...inEffect, singleKeys: true }).some((key) => beginsWith(key, press)))
    .map(([other]) => other);
}

/** By the pressed key, not by its name: one press can be written in several ways ("Shift+1", "Shift+!"). */
function beginsWith(key: string, press: KeyboardEvent): boolean {
  const [first] = parseKeybinding(key);
  return first !== undefined && matchKeyBindingPress(press, first);
}

const IS_MAC = /Mac|iPhone|iPad/.test(navigator.userAgent);

/** A press as tinykeys reads it; the same for the same press on every layout of keys, as far as they allow. */
export function pressed(event: KeyboardEvent): string {
  const modifiers = [
    (IS_MAC ? event.metaKey : event.ctrlKey) ? "$mod" : "",
    IS_MAC && event.ctrlKey ? "Control" : "",
    !IS_MAC && event.metaKey ? "Meta" : "",
    event.altKey ? "Alt" : "",
    event.shiftKey ? "Shift" : "",
  ].filter(Boolean);
  return [...modifiers, keyOfPress(event)].join("+");
}

function keyOfPress({ key, code, shiftKey }: KeyboardEvent): string {
  if (key === " ") return "Space";
  // With Shift a digit is another sign on each layout; a dead key has no name of its own.
  if ((shiftKey && /^Digit\d$/.test(code)) || ["Dead", "Process", "Unidentified"].includes(key)) return code;
  return key.length === 1 ? key.toLowerCase() : key;
}

/** The sign of a key that is written by its place on the keyboard: "Digit3", "(3|Digit3)", "KeyQ". */
function withoutCode(part: string): string {
  return part.replace(/^\((.)\|Digit.\)$/, "$1").replace(/^(Digit|Key)(?=.$)/, "");
}

const NAMES: Record<string, string> = {
  $mod: IS_MAC ? "⌘" : "Ctrl",
  Control: "Ctrl",
  ArrowLeft: "←",
  ArrowRight: "→",
  ArrowUp: "↑",
  ArrowDown: "↓",
  Delete: "Del",
  Escape: "Esc",
};

/** A key as it is shown: "Ctrl + Z", "G then I". */
export function shownKey(key: string): string {
  return key
    .split(" ")
    .map((press) =>
      press
        .replace("Shift+?", "?")
        .replace("Shift++", "+")
        .split(/\+(?=.)/)
        .map((part) => NAMES[part] ?? withoutCode(part).replace(/^[a-z]$/, (letter) => letter.toUpperCase()))
        .join(" + "),
    )
    .join(" then ");
}
