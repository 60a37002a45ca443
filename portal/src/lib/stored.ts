/** Values in the storage of the browser. Another version or another program may have written them. */

/** The value of this name; null where there is none, it is no JSON, or the storage is off. */
export function stored(name: string): unknown {
  try {
    return JSON.parse(localStorage.getItem(name) ?? "null");
  } catch {
    return null;
  }
}

/** The object of this name; an empty one where there is none. */
export function storedObject(name: string): Readonly<Record<string, unknown>> {
  return asObject(stored(name));
}

/** Store a value. Where the storage is full or off, nothing is stored: the value holds until the page is left. */
export function store(name: string, value: unknown): void {
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // There is nothing that a person could do about it.
  }
}

/** `value` if it is an object, otherwise an empty one. */
function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

/** The entries of an object whose values are accepted. */
export function entriesOf<Value>(value: unknown, isAccepted: (each: unknown) => each is Value): Record<string, Value> {
  return Object.fromEntries(Object.entries(asObject(value)).filter((entry): entry is [string, Value] => isAccepted(entry[1])));
}

export function isText(value: unknown): value is string {
  return typeof value === "string";
}

export function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(isText);
}
