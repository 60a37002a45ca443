import { useEffect, useLayoutEffect, useRef } from "react";
import { tinykeys } from "tinykeys";
import { ACTIONS } from "./actions";
import { keysOf, useBindings } from "./bindings";
import { registerCommands } from "./commands";

/**
 * Handlers by the id of an action of `ACTIONS`. An action without a handler has no effect. A handler that returns
 * false leaves the key to the browser (Tab at the last box leaves the canvas).
 */
export type KeyHandlers = Partial<Record<string, (event: KeyboardEvent) => unknown>>;

const TEXT_INPUTS = "input:not([type=checkbox], [type=radio], [type=range], [type=button]), textarea, select, [contenteditable=true]";
/** Elements that use Space and Enter themselves. */
const CONTROLS = "button, a[href], summary, input, [role=slider], [role=tab], [role=menuitem], [role=option], [role=radio], [role=switch], [role=combobox]";
/** Those that use arrows, too. A plain button does not. */
const WITH_ARROWS = "input:not([type=checkbox]), [role=slider], [role=tab], [role=menuitem], [role=option], [role=radio], [role=combobox], [aria-haspopup]";
const PRESSES = new Set([" ", "Enter"]);
const MOVES = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"]);

/** Whether the focused element needs this key itself, or a dialog is open above the page. */
function belongsToElement(event: KeyboardEvent): boolean {
  const target = event.target;
  if (!(target instanceof Element)) return false;
  if (target.closest(TEXT_INPUTS)) return true;
  if (target.closest("[data-own-keys]")) return false;
  if (PRESSES.has(event.key)) return target.closest(CONTROLS) !== null;
  return MOVES.has(event.key) && target.closest(WITH_ARROWS) !== null;
}

function isBehindDialog(event: KeyboardEvent): boolean {
  // A dialog that keeps what was typed is in the document also while it is closed.
  const isOpen = [...document.querySelectorAll("[role=dialog][aria-modal=true]")].some((each) => each.checkVisibility());
  return isOpen && !(event.target instanceof Element && event.target.closest("[data-keys-in-dialog]"));
}

/**
 * Make actions react to their keys while the component is mounted and `enabled`.
 *
 * No key acts in a text field, behind a dialog, or where the focused control uses it. A container with the
 * attribute `data-own-keys` (a grid, a canvas) gets arrows, Space and Enter although it holds controls; a dialog
 * that has keys of its own carries `data-keys-in-dialog`. The commands also appear in the palette.
 */
export function useKeys(handlers: KeyHandlers, enabled = true): void {
  const bindings = useBindings();
  const latest = useRef(handlers);
  // Before the next key, which can come before the effects of a drawing.
  useLayoutEffect(() => {
    latest.current = handlers;
  });
  const ids = Object.keys(handlers).sort().join(" ");

  useEffect(() => {
    if (!enabled) return;
    const map: Record<string, (event: KeyboardEvent) => void> = {};
    for (const id of ids.split(" ").filter(Boolean)) {
      if (!ACTIONS[id]) throw new Error(`There is no action '${id}'.`);
      for (const key of keysOf(id, bindings)) {
        map[key] = (event) => {
          if (belongsToElement(event) || isBehindDialog(event)) return;
          if (latest.current[id]?.(event) !== false) event.preventDefault();
        };
      }
    }
    const endKeys = tinykeys(window, map);
    const endCommands = registerCommands(ids.split(" ").filter(Boolean), (id) =>
      latest.current[id]?.(new KeyboardEvent("keydown")),
    );
    return () => {
      endKeys();
      endCommands();
    };
  }, [ids, enabled, bindings]);
}
