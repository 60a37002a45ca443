import { expect, it } from "vitest";
import { MOST_BYTES } from "../lib/imageFiles";
import { examine, kindOfBytes, pathOf } from "./intake";

const bytes = (text: string) => Uint8Array.from(text.padEnd(32, "\0"), (character) => character.charCodeAt(0));

it.each([
  ["\xff\xd8\xff\xe0", "image"],
  ["\x89PNG\r\n", "image"],
  ["GIF89a", "image"],
  ["BM", "image"],
  ["PK\x03\x04", "zip"],
  ["RIFF....WEBPVP8 ", "convertible"],
  ["\0\0\0\x20ftypavif", "convertible"],
  ["\0\0\0\x20ftypheic", "heic"],
  ["<svg xmlns=", "other"],
  ["hello", "other"],
])("knows %j by its first bytes", (text, kind) => expect(kindOfBytes(bytes(text))).toBe(kind));

it("examines files by their content and leaves out those of the system", async () => {
  const png = bytes("\x89PNG");
  const files = [
    new File([png], "a.txt"),
    new File([], "empty.jpg"),
    new File([png, new Uint8Array(MOST_BYTES)], "large.png"),
    new File(["x"], ".DS_Store"),
  ].map((file) => ({ file, folders: ["x"] }));
  const found = await examine(files);
  expect(found.map((each) => [pathOf(each), each.kind])).toEqual([
    ["x/a.txt", "image"],
    ["x/empty.jpg", "empty"],
    ["x/large.png", "large"],
  ]);
});
