/** Whether a response is one of the emulator: something else may have responded, such as a proxy. */
import { OUTLINES } from "./generated/outlines";

/** Whether `text` begins as the JSON of a successful response to the operation does, and has its properties. */
export function isExpected(text: string, method: string, path: string): boolean {
  const outline = OUTLINES[`${method} ${path}`];
  if (outline === undefined) return true;
  const json = text.trimStart();
  if (outline === "[") return json.startsWith("[");
  return json.startsWith("{") && outline.split(",").every((property) => json.includes(`"${property}"`));
}
