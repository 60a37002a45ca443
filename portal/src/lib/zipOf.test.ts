import { expect, it } from "vitest";
import { openZip } from "./zip";
import { zipOf } from "./zipOf";

const { signal } = new AbortController();

it("is read again with paths and contents", async () => {
  const done: number[] = [];
  const files = [
    { path: "labels/ä 🍎.txt", file: new Blob(["0 .5 .5 1 1"]) },
    { path: "images/a.jpg", file: new Blob([new Uint8Array([255, 0, 1])]) },
    { path: "empty", file: new Blob([]) },
  ];
  const entries = await openZip(await zipOf(files, signal, (each) => done.push(each)));
  expect(entries.map((each) => each.path)).toEqual(files.map((each) => each.path));
  expect(await (await entries[0]?.read())?.text()).toBe("0 .5 .5 1 1");
  expect(new Uint8Array((await (await entries[1]?.read())?.arrayBuffer()) ?? [])).toEqual(new Uint8Array([255, 0, 1]));
  expect(done).toEqual([1, 2, 3]);
});

it("has the checksum of the format", async () => {
  const bytes = new DataView(await (await zipOf([{ path: "a", file: new Blob(["123456789"]) }], signal, () => undefined)).arrayBuffer());
  expect(bytes.getUint32(14, true)).toBe(0xcbf43926); // the check value of CRC-32
});

it("counts more than 65,535 files in a record of 64 bits", async () => {
  const empty = new Blob([]);
  const many = Array.from({ length: 65_540 }, (_, index) => ({ path: `${index}`, file: empty }));
  const archive = await zipOf(many, signal, () => undefined);
  const end = new DataView(await archive.slice(-98).arrayBuffer());
  expect(end.getUint32(0, true)).toBe(0x06064b50);
  expect(end.getBigUint64(24, true)).toBe(65_540n);
  expect(end.getUint16(98 - 22 + 10, true)).toBe(0xffff);
});

it("says which file cannot be read, and that 4 GB are too much", async () => {
  const gone = { size: 1, arrayBuffer: () => Promise.reject(new Error("gone")) } as unknown as Blob;
  await expect(zipOf([{ path: "a/b.jpg", file: gone }], signal, () => undefined)).rejects.toThrow("a/b.jpg cannot be read");
  const large = { size: 2 ** 32 } as Blob;
  await expect(zipOf([{ path: "a", file: large }], signal, () => undefined)).rejects.toThrow("more than 4 GB");
});
