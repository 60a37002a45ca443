/** Whether heat maps are shown, and how opaque: kept in the browser. */
import { useSyncExternalStore } from "react";
import { store, storedObject } from "../../lib/stored";
import { Store } from "../../lib/store";

interface Preference {
  isShown: boolean;
  /** 0 to 1. */
  opacity: number;
}

const NAME = "heatMap";

/** A preference from what the browser has stored, which another version may have written. */
export function preferenceOf(value: Readonly<Record<string, unknown>>): Preference {
  const { isShown, opacity } = value;
  const isOpacity = typeof opacity === "number" && opacity >= 0 && opacity <= 1;
  return { isShown: isShown === true, opacity: isOpacity ? opacity : 1 };
}

const preference = new Store(preferenceOf(storedObject(NAME)));

export function changePreference(change: Partial<Preference>): void {
  preference.set({ ...preference.get(), ...change });
  store(NAME, preference.get());
}

export function usePreference(): Preference {
  return useSyncExternalStore(preference.subscribe, preference.get);
}
