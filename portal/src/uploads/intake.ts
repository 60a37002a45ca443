/** What dropped files are, by their first bytes: before anything is sent. */
import { inParallel } from "../api/bulk/batches";
import type { DroppedFile } from "../lib/droppedFiles";
import { MOST_BYTES, OTHER_FORMAT, TOO_LARGE } from "../lib/imageFiles";

export type Kind =
  /** Can be sent as it is. */
  | "image"
  /** An accepted format over the limit of 6 MB. */
  | "large"
  /** A format that the browser can read and the service cannot: WebP, AVIF. */
  | "convertible"
  | "zip"
  | "empty"
  | "unreadable"
  | "heic"
  | "other";

export interface Candidate extends DroppedFile {
  kind: Kind;
}

const HEAD_BYTES = 32;
const READERS = 16;
/** Files that systems put into folders. */
const SYSTEM_FILES = /^(\.DS_Store|Thumbs\.db|desktop\.ini|\._.*)$/i;

/** The kinds of all files; those of the system are left out. */
export async function examine(files: readonly DroppedFile[]): Promise<Candidate[]> {
  const own = files.filter(
    ({ file, folders }) => !SYSTEM_FILES.test(file.name) && !folders.includes("__MACOSX"),
  );
  return inParallel(own, READERS, async (dropped) => ({ ...dropped, kind: await kindOf(dropped.file) }));
}

async function kindOf(file: File): Promise<Kind> {
  if (file.size === 0) return "empty";
  let head: Uint8Array;
  try {
    head = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
  } catch {
    return "unreadable"; // deleted since it was chosen, or without permission
  }
  const kind = kindOfBytes(head);
  return kind === "image" && file.size > MOST_BYTES ? "large" : kind;
}

export function kindOfBytes(head: Uint8Array): Kind {
  const text = String.fromCharCode(...head);
  if (text.startsWith("\xff\xd8\xff") || text.startsWith("\x89PNG") || text.startsWith("GIF8")) return "image";
  if (text.startsWith("BM") && head.length >= 14) return "image";
  if (text.startsWith("PK\x03\x04") || text.startsWith("PK\x05\x06")) return "zip";
  if (text.startsWith("RIFF") && text.slice(8, 12) === "WEBP") return "convertible";
  if (text.slice(4, 8) === "ftyp") return /^avi[fs]/.test(text.slice(8)) ? "convertible" : /^(hei|mif|msf)/.test(text.slice(8)) ? "heic" : "other";
  return "other";
}

/** Whether a file can be sent: as it is, or scaled down or converted in the browser. */
export function isSendable({ kind }: Candidate): boolean {
  return kind === "image" || kind === "large" || kind === "convertible";
}

/** Why files of a kind are left out; large and convertible ones can be sent, too. */
const REASONS: Record<Exclude<Kind, "image">, string> = {
  zip: "An archive within an archive is not opened.",
  empty: "The file is empty.",
  unreadable: "The file cannot be read. It was perhaps moved or deleted.",
  heic: "HEIC images are not supported. Save them as JPEG first.",
  other: OTHER_FORMAT,
  large: TOO_LARGE,
  convertible: "WebP and AVIF are not supported by the service.",
};

export function reasonOf(kind: Kind): string {
  return kind === "image" ? "The file was left out." : REASONS[kind];
}

/** The name of a file with its folders. */
export function pathOf({ file, folders }: DroppedFile): string {
  return [...folders, file.name].join("/");
}
