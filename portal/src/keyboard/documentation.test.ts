import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ACTIONS, SCOPES, type Scope } from "./actions";
import { shownKey } from "./bindings";

const ROWS: Record<Scope, string> = {
  everywhere: "everywhere",
  grid: "images",
  label: "label",
  results: "results",
  hints: "label hints",
  map: "map",
};
const PAGE = readFileSync(join(import.meta.dirname, "../../../docs/portal.md"), "utf8");

/** A key as the page writes it: "`T`", "Shift+arrows", "`1` to `0`"; of a sequence the last press. */
function written(key: string): string {
  const parts = shownKey(key).split(" then ").at(-1)?.split(" + ") ?? [];
  const last = parts.pop() ?? "";
  const shown = /^[←→↑↓]$/.test(last) ? "arrows" : /^\d$/.test(last) ? "`1` to `0`" : last;
  const sign = shown.length === 1 && parts.length === 0 ? `\`${shown}\`` : shown;
  return [...parts, sign].join("+");
}

it.each(Object.keys(SCOPES) as Scope[])("names the default keys of the scope %s in docs/portal.md", (scope) => {
  const row = new RegExp(`^\\| ${ROWS[scope]} \\|(.*)\\|$`, "m").exec(PAGE)?.[1] ?? "";
  const keyed = Object.values(ACTIONS).filter((action) => action.scope === scope && action.keys.length > 0);
  // Actions that the page describes in its text need no place in the table.
  const text = scope === "everywhere" ? `${row} ${PAGE.slice(PAGE.indexOf("## Keys"), PAGE.indexOf("| Where |"))}` : row;
  const isNamed = (key: string) => text.includes(key) || text.includes(`\`${key}\``);
  const missing = keyed.filter(({ keys }) => !keys.map(written).some(isNamed));
  expect(missing.map(({ label, keys }) => `${label}: ${keys.map(written).join(" or ")}`)).toEqual([]);
});
