import { matchKeyBindingPress, parseKeybinding } from "tinykeys";
import { describe, expect, it } from "vitest";
import { ACTIONS, RESERVED, SCOPES } from "./actions";
import { conflicts, keysOf, pressed, shownKey, type Bindings } from "./bindings";

const NO_CHANGES: Bindings = { changed: {}, singleKeys: true };

/** The press of a key whose sign is `key`, at the place `code`. */
function press(key: string, code: string, modifiers: KeyboardEventInit = {}): KeyboardEvent {
  return new KeyboardEvent("keydown", { key, code, ...modifiers });
}

/** The press that a default key of one press means. */
function pressOf(written: string): KeyboardEvent {
  const [[modifiers, key] = [[], ""]] = parseKeybinding(written);
  const sign = typeof key === "string" ? key : (/\d/.exec(key.source)?.[0] ?? "");
  return press(sign, sign === "Space" ? "Space" : /^\d$/.test(sign) ? `Digit${sign}` : sign, {
    ctrlKey: modifiers.includes("Control"),
    altKey: modifiers.includes("Alt"),
    shiftKey: modifiers.includes("Shift"),
  });
}

describe("the key map", () => {
  const all = Object.entries(ACTIONS).flatMap(([id, action]) => action.keys.map((key) => [id, key] as const));

  it.each(all.filter(([, key]) => !key.includes(" ")))("has no other action beside %s for %s", (id, key) => {
    expect(conflicts(id, pressOf(key))).toEqual([]);
  });

  it("has no sequence twice", () => {
    const sequences = all.map(([, key]) => key).filter((key) => key.includes(" "));
    expect(sequences).toEqual([...new Set(sequences)]);
  });

  it("uses no key of the browser", () => {
    expect(all.filter(([, key]) => RESERVED.has(key))).toEqual([]);
  });

  it("has no single printable keys when they are off", () => {
    const off = { changed: {}, singleKeys: false };
    for (const id of ["newBox", "gridUntag1", "gridTag1", "goImages"]) expect(keysOf(id, off)).toEqual([]);
    expect(keysOf("undo", off)).toEqual(["$mod+z"]);
    expect(keysOf("nextBox", { changed: { nextBox: ["Control+x"] }, singleKeys: false })).toEqual(["Control+x"]);
  });

  it("writes keys for people", () => {
    expect(shownKey("$mod+Shift+z")).toBe("Ctrl + Shift + Z");
    expect(shownKey("g i")).toBe("G then I");
    expect(shownKey("Shift+Digit3")).toBe("Shift + 3");
    expect(shownKey("Shift++")).toBe("+");
    expect(keysOf("gridTag10").map(shownKey)).toEqual(["0"]);
    const shown = all.map(([, key]) => shownKey(key));
    expect(shown.filter((each) => /Digit|Key|\(|undefined/.test(each))).toEqual([]);
  });
});

describe("digits of tags", () => {
  const matches = (id: string, event: KeyboardEvent) =>
    keysOf(id).some((key) => parseKeybinding(key).some((part) => matchKeyBindingPress(event, part)));

  it.each([
    ["a US layout", press("1", "Digit1")],
    ["the block of digits", press("1", "Numpad1")],
    ["a French layout", press("&", "Digit1")],
  ])("react on %s", (_, event) => {
    expect(["gridTag1", "tag1", "gridTag2", "gridUntag1"].filter((id) => matches(id, event))).toEqual(["gridTag1", "tag1"]);
  });

  it.each([
    ["a US layout", press("!", "Digit1", { shiftKey: true })],
    ["a French layout", press("1", "Digit1", { shiftKey: true })],
  ])("are removed with Shift on %s", (_, event) => {
    expect(["gridTag1", "tag1", "gridUntag1"].filter((id) => matches(id, event))).toEqual(["gridUntag1"]);
  });
});

describe("a recorded press", () => {
  it.each([
    ["Shift+Digit1", press("!", "Digit1", { shiftKey: true })],
    ["Shift+Digit7", press("/", "Digit7", { shiftKey: true })],
    ["7", press("7", "Numpad7")],
    ["&", press("&", "Digit1")],
    ["Shift+?", press("?", "Slash", { shiftKey: true })],
    ["Shift++", press("+", "Equal", { shiftKey: true })],
    ["$mod+Shift+z", press("Z", "KeyZ", { ctrlKey: true, shiftKey: true })],
    ["Meta+Alt+x", press("x", "KeyX", { metaKey: true, altKey: true })],
    ["Space", press(" ", "Space")],
    ["F2", press("F2", "F2")],
    ["BracketLeft", press("Dead", "BracketLeft")],
  ])("is written as %s, which the same press matches", (written, event) => {
    expect(pressed(event)).toBe(written);
    const [part] = parseKeybinding(written);
    expect(part && matchKeyBindingPress(event, part)).toBe(true);
  });

  it.each([
    ["newBox", press("!", "Digit1", { shiftKey: true }), { changed: { skip: ["Shift+!"] } }, ["skip"]],
    ["gridSelect", press("!", "Digit1", { shiftKey: true }), {}, ["gridUntag1"]],
    ["newBox", press("1", "Numpad1"), {}, ["tag1"]],
    ["newBox", press("1", "Digit1", { shiftKey: true }), {}, []],
    ["newBox", press("N", "KeyN"), {}, []],
    // A Swiss layout has the plus sign, which zooms, above the 1.
    ["newBox", press("+", "Digit1", { shiftKey: true }), {}, ["zoomIn"]],
    // Its sequences would begin with an action of their own.
    ["newBox", press("g", "KeyG"), {}, Object.keys(ACTIONS).filter((id) => ACTIONS[id]?.keys[0]?.startsWith("g "))],
    ["keepHint", press("d", "KeyD"), {}, ["compare"]],
    ["keepHint", press("n", "KeyN"), {}, []],
    ["newBox", press("s", "KeyS"), { singleKeys: false }, ["skip"]],
  ])("of %s is in conflict with what reacts to it", (id, event, changes, found) => {
    expect(conflicts(id, event, { ...NO_CHANGES, ...changes })).toEqual(found);
  });

  it("has names for all scopes", () => {
    expect([...new Set(Object.values(ACTIONS).map((action) => action.scope))].toSorted()).toEqual(Object.keys(SCOPES).toSorted());
  });
});
