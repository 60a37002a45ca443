import { expect, it } from "vitest";
import { filesOfDrop, inPathOrder } from "./droppedFiles";

it("orders files of folders by their paths, and leaves chosen files as they were", () => {
  const at = (name: string, ...folders: string[]) => ({ file: new File([], name), folders });
  const files = [at("b.png"), at("1.png", "fruit", "pear"), at("2.png", "fruit", "apple"), at("a.png"), at("1.png", "fruit", "apple")];
  expect(inPathOrder(files).map(({ file, folders }) => [...folders, file.name].join("/"))).toEqual([
    "b.png",
    "a.png",
    "fruit/apple/1.png",
    "fruit/apple/2.png",
    "fruit/pear/1.png",
  ]);
});

it("says which file of a dropped folder cannot be read", async () => {
  const file = { isFile: true, isDirectory: false, name: "1.jpg", fullPath: "/fruit/1.jpg", file: (_: unknown, reject: (error: Error) => void) => reject(new DOMException("gone", "NotFoundError")) };
  const parts = [[file], []];
  const folder = { isFile: false, isDirectory: true, name: "fruit", fullPath: "/fruit", createReader: () => ({ readEntries: (resolve: (part: unknown) => void) => resolve(parts.shift()) }) };
  const transfer = { items: [{ webkitGetAsEntry: () => folder }], files: [] } as unknown as DataTransfer;
  await expect(filesOfDrop(transfer)).rejects.toThrow(/fruit\/1\.jpg.* cannot be read/);
});
