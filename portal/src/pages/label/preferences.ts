/** How a person labels: kept in the browser, for all projects. */
import { useSyncExternalStore } from "react";
import { Store } from "../../lib/store";
import { entriesOf, isText, store, storedObject } from "../../lib/stored";

export type DrawMode = "drag" | "clicks";

interface Preferences {
  drawMode: DrawMode;
  /** Probability from which suggestions are shown and accepted together, 0 to 1. */
  threshold: number;
  showSuggestions: boolean;
  showProposals: boolean;
  /** Go to the next image as soon as a tag is chosen: where images have one tag, and where they have several. */
  goOnSingle: boolean;
  goOnSeveral: boolean;
  /** The tag used last, by project. */
  lastTags: Readonly<Record<string, string>>;
}

const STORED_AS = "custom-vision-labeling";
const DEFAULTS: Preferences = {
  drawMode: "drag",
  threshold: 0.4,
  showSuggestions: true,
  showProposals: false,
  goOnSingle: true,
  goOnSeveral: false,
  lastTags: {},
};
const current = new Store(read());

function read(): Preferences {
  const stored = storedObject(STORED_AS);
  const { threshold } = stored;
  const flag = (name: "showSuggestions" | "showProposals" | "goOnSingle" | "goOnSeveral") => {
    const value = stored[name];
    return typeof value === "boolean" ? value : DEFAULTS[name];
  };
  return {
    drawMode: stored.drawMode === "clicks" ? "clicks" : DEFAULTS.drawMode,
    threshold: typeof threshold === "number" && threshold >= 0 && threshold <= 1 ? threshold : DEFAULTS.threshold,
    showSuggestions: flag("showSuggestions"),
    showProposals: flag("showProposals"),
    goOnSingle: flag("goOnSingle"),
    goOnSeveral: flag("goOnSeveral"),
    lastTags: entriesOf(stored.lastTags, isText),
  };
}

export const preferences = current.get;

export function prefer(change: Partial<Preferences>): void {
  current.set({ ...current.get(), ...change });
  store(STORED_AS, current.get());
}

export function usePreferences(): Preferences {
  return useSyncExternalStore(current.subscribe, current.get);
}
