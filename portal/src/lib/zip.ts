/** Files of a zip archive, read in the browser. Format: PKWARE APPNOTE 6.3. */
import { Problem } from "../api/errors";

interface ZipEntry {
  /** Path with "/" between folders. */
  path: string;
  /** Bytes of the content, as the archive says. */
  size: number;
  read: () => Promise<Blob>;
}

/** Says in a sentence why an archive cannot be read. */
class ZipProblem extends Problem {
  constructor(message: string) {
    super(message);
    this.name = "ZipProblem";
  }
}

/** Limits against archives that expand to far more than they are. */
const ZIP_LIMITS = { entries: 20_000, bytes: 2_000_000_000 } as const;

const END = 0x06054b50;
const END_BYTES = 22;
const LONGEST_COMMENT = 65_535;
const CENTRAL = 0x02014b50;
const CENTRAL_BYTES = 46;
const LOCAL = 0x04034b50;
const LOCAL_BYTES = 30;
const STORED = 0;
const DEFLATED = 8;
const IN_ZIP64 = 0xffffffff;
const BROKEN = "The archive is damaged or incomplete.";

/** The files of an archive, without its folders. Rejects with a ZipProblem. */
export async function openZip(file: Blob): Promise<ZipEntry[]> {
  const tailStart = Math.max(0, file.size - END_BYTES - LONGEST_COMMENT);
  const tail = new DataView(await file.slice(tailStart).arrayBuffer());
  let end = tail.byteLength - END_BYTES;
  while (end >= 0 && tail.getUint32(end, true) !== END) end -= 1;
  if (end < 0) throw new ZipProblem(BROKEN);
  const entries = tail.getUint16(end + 10, true);
  const [size, offset] = [tail.getUint32(end + 12, true), tail.getUint32(end + 16, true)];
  if (offset === IN_ZIP64 || entries === 0xffff) throw new ZipProblem("Archives of more than 4 GB or 65,535 files are not read. Unpack it first.");
  if (entries > ZIP_LIMITS.entries) throw new ZipProblem(`The archive has more than ${ZIP_LIMITS.entries.toLocaleString()} files. Unpack it first.`);
  if (offset + size > tailStart + end) throw new ZipProblem(BROKEN);
  const directory = new DataView(await file.slice(offset, offset + size).arrayBuffer());
  const found: ZipEntry[] = [];
  let at = 0;
  let total = 0;
  for (let index = 0; index < entries; index++) {
    if (at + CENTRAL_BYTES > directory.byteLength || directory.getUint32(at, true) !== CENTRAL) throw new ZipProblem(BROKEN);
    const flags = directory.getUint16(at + 8, true);
    const method = directory.getUint16(at + 10, true);
    const packed = directory.getUint32(at + 20, true);
    const unpacked = directory.getUint32(at + 24, true);
    const nameLength = directory.getUint16(at + 28, true);
    const start = directory.getUint32(at + 42, true);
    const name = new Uint8Array(directory.buffer, at + CENTRAL_BYTES, Math.min(nameLength, directory.byteLength - at - CENTRAL_BYTES));
    const path = new TextDecoder().decode(name).replaceAll("\\", "/");
    at += CENTRAL_BYTES + nameLength + directory.getUint16(at + 30, true) + directory.getUint16(at + 32, true);
    if (path.endsWith("/")) continue;
    if (flags & 1) throw new ZipProblem("The archive is encrypted. Unpack it first.");
    if (method !== STORED && method !== DEFLATED) throw new ZipProblem("The archive is compressed in a way that is not supported. Unpack it first.");
    total += unpacked;
    if (total > ZIP_LIMITS.bytes) throw new ZipProblem("The files of the archive have more than 2 GB together. Unpack it first.");
    found.push({ path, size: unpacked, read: () => content(file, start, packed, unpacked, method) });
  }
  return found;
}

async function content(file: Blob, start: number, packed: number, unpacked: number, method: number): Promise<Blob> {
  const head = new DataView(await file.slice(start, start + LOCAL_BYTES).arrayBuffer());
  if (head.byteLength < LOCAL_BYTES || head.getUint32(0, true) !== LOCAL) throw new ZipProblem(BROKEN);
  const begin = start + LOCAL_BYTES + head.getUint16(26, true) + head.getUint16(28, true);
  const bytes = file.slice(begin, begin + packed);
  if (bytes.size !== packed) throw new ZipProblem(BROKEN);
  if (method === STORED) return bytes;
  // The stream ends at the declared size: a small archive cannot expand without a limit.
  const reader = bytes.stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      length += value.byteLength;
      if (length > unpacked) throw new ZipProblem(BROKEN);
      parts.push(value);
    }
  } catch {
    throw new ZipProblem(BROKEN);
  }
  if (length !== unpacked) throw new ZipProblem(BROKEN);
  return new Blob(parts);
}
