import { Problem } from "../api/errors";
import { reasonOf } from "./intake";
import { scaledDown } from "./scale";

/**
 * The bytes of an image as they are sent. In memory, since a file that cannot be read would look like a lost
 * connection. `scale`: as a smaller JPEG. Rejects with the reason in words.
 */
export async function contentOf(file: Blob, scale: boolean): Promise<Blob> {
  try {
    return scale ? await scaledDown(file) : new Blob([await file.arrayBuffer()]);
  } catch {
    throw new Problem(scale ? "The image cannot be read, so it cannot be scaled down or converted." : reasonOf("unreadable"));
  }
}
