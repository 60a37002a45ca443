// @vitest-environment node
import { deflateRawSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { openZip } from "./zip";

interface Options {
  deflate?: boolean;
  flags?: number;
  size?: number;
}

/** An archive with one file. `size`: the size that it says. */
function archive(path: string, text: string, { deflate = true, flags = 0, size = text.length }: Options = {}): Uint8Array<ArrayBuffer> {
  const name = new TextEncoder().encode(path);
  const packed = deflate ? deflateRawSync(text) : Buffer.from(text);
  const local = Buffer.alloc(30);
  local.writeUInt32LE(0x04034b50, 0);
  local.writeUInt16LE(name.length, 26);
  const central = Buffer.alloc(46);
  central.writeUInt32LE(0x02014b50, 0);
  central.writeUInt16LE(flags, 8);
  central.writeUInt16LE(deflate ? 8 : 0, 10);
  central.writeUInt32LE(packed.length, 20);
  central.writeUInt32LE(size, 24);
  central.writeUInt16LE(name.length, 28);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(46 + name.length, 12);
  end.writeUInt32LE(30 + name.length + packed.length, 16);
  return new Uint8Array(Buffer.concat([local, name, packed, central, name, end]));
}

describe("zip archives", () => {
  it.each([true, false])("are read (deflated: %s)", async (deflate) => {
    const [entry] = await openZip(new Blob([archive("fruit/äpfel/1.jpg", "abc".repeat(100), { deflate })]));
    expect(entry?.path).toBe("fruit/äpfel/1.jpg");
    expect(await (await entry?.read())?.text()).toBe("abc".repeat(100));
  });

  it("have no entries for folders", async () => {
    expect(await openZip(new Blob([archive("fruit/", "")]))).toEqual([]);
  });

  it("are refused when they are cut, encrypted or no archives", async () => {
    const whole = archive("a.jpg", "abc");
    await expect(openZip(new Blob([whole.slice(0, whole.length - 5)]))).rejects.toThrow("damaged");
    await expect(openZip(new Blob([whole.slice(20)]))).rejects.toThrow("damaged");
    await expect(openZip(new Blob(["no archive"]))).rejects.toThrow("damaged");
    await expect(openZip(new Blob([archive("a.jpg", "abc", { flags: 1 })]))).rejects.toThrow("encrypted");
  });

  it("never expand to more than they say", async () => {
    const [entry] = await openZip(new Blob([archive("a.jpg", "a".repeat(100_000), { size: 10 })]));
    await expect(entry?.read()).rejects.toThrow("damaged");
  });

  it("are refused when they say that they are too large", async () => {
    await expect(openZip(new Blob([archive("a.jpg", "a", { size: 3_000_000_000 })]))).rejects.toThrow("2 GB");
  });
});
