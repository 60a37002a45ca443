/** Making zip archives in the browser, without compression. Format: PKWARE APPNOTE 6.3. */
import { Problem } from "../api/errors";

interface PackedFile {
  /** With "/" between folders. */
  path: string;
  file: Blob;
}

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const VERSION = 20;
const VERSION64 = 45;
/** Names are UTF-8. */
const FLAGS = 0x0800;
/** 1980-01-01, the first day that the format has. */
const DATE = 0x0021;
const MOST_ENTRIES = 0xffff;
const MOST_BYTES = 0xffffffff;
const TOO_LARGE = "The files have more than 4 GB together. Make a zip archive of them first.";

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ byte) & 0xff] ?? 0);
  return ~crc >>> 0;
}

/** Numbers in little-endian order: [value, bytes] each. */
function record(...fields: readonly (readonly [value: number, bytes: 2 | 4 | 8])[]): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(fields.reduce((sum, [, bytes]) => sum + bytes, 0)));
  let at = 0;
  for (const [value, bytes] of fields) {
    if (bytes === 2) view.setUint16(at, value, true);
    else if (bytes === 4) view.setUint32(at, value, true);
    else view.setBigUint64(at, BigInt(value), true);
    at += bytes;
  }
  return new Uint8Array(view.buffer);
}

/**
 * An archive of the files, whose bytes are read now: later changes of the files do not matter. Rejects with a Problem
 * where a file cannot be read or they are too large, and as `signal` says.
 *
 * onFile: called with the number of files that are in the archive.
 */
export async function zipOf(files: readonly PackedFile[], signal: AbortSignal, onFile: (done: number) => void): Promise<Blob> {
  const parts: BlobPart[] = [];
  const directory: Uint8Array<ArrayBuffer>[] = [];
  let offset = 0;
  for (const [index, { path, file }] of files.entries()) {
    signal.throwIfAborted();
    if (offset + file.size > MOST_BYTES) throw new Problem(TOO_LARGE);
    const bytes = await contentOf(file, path);
    const name = new TextEncoder().encode(path);
    const facts = [
      [FLAGS, 2],
      [0, 2],
      [0, 2],
      [DATE, 2],
      [crc32(bytes), 4],
      [bytes.length, 4],
      [bytes.length, 4],
      [name.length, 2],
      [0, 2],
    ] as const;
    const head = record([LOCAL, 4], [VERSION, 2], ...facts);
    parts.push(head, name, new Blob([bytes]));
    directory.push(record([CENTRAL, 4], [VERSION, 2], [VERSION, 2], ...facts, [0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]), name);
    offset += head.length + name.length + bytes.length;
    onFile(index + 1);
  }
  const size = directory.reduce((sum, each) => sum + each.length, 0);
  if (offset + size > MOST_BYTES) throw new Problem(TOO_LARGE);
  return new Blob([...parts, ...directory, ...endOf(files.length, size, offset)], { type: "application/zip" });
}

/** The end of the directory; its 64-bit form too, where there are more files than the usual one can count. */
function endOf(entries: number, size: number, offset: number): Uint8Array<ArrayBuffer>[] {
  const counted = Math.min(entries, MOST_ENTRIES);
  const end = record([END, 4], [0, 2], [0, 2], [counted, 2], [counted, 2], [size, 4], [offset, 4], [0, 2]);
  if (entries < MOST_ENTRIES) return [end];
  const end64 = record(
    [END64, 4],
    [44, 8],
    [VERSION64, 2],
    [VERSION64, 2],
    [0, 4],
    [0, 4],
    [entries, 8],
    [entries, 8],
    [size, 8],
    [offset, 8],
  );
  return [end64, record([LOCATOR64, 4], [0, 4], [offset + size, 8], [1, 4]), end];
}

async function contentOf(file: Blob, path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch {
    throw new Problem(`${path} cannot be read. It was perhaps moved or deleted.`);
  }
}
