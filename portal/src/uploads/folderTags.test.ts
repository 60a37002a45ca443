import { describe, expect, it } from "vitest";
import { containers, folderTags, hasLevels, tagOfFile } from "./folderTags";
import type { DroppedFile } from "../lib/droppedFiles";

const at = (path: string): DroppedFile => {
  const parts = path.split("/");
  return { file: new File(["x"], parts.at(-1) ?? ""), folders: parts.slice(0, -1) };
};
const THREE_LEVELS = ["fruit/apple/red/1.jpg", "fruit/apple/green/2.jpg", "fruit/pear/3.jpg", "fruit/4.jpg"].map(at);

describe("tags of folders", () => {
  it("are the last folders, below the one that was dropped", () => {
    expect(folderTags(THREE_LEVELS, "last")).toEqual([
      { name: "green", files: 1 },
      { name: "pear", files: 1 },
      { name: "red", files: 1 },
    ]);
    expect(containers(THREE_LEVELS)).toBe(1);
  });

  it("can be the first folders instead, or none", () => {
    expect(folderTags(THREE_LEVELS, "first")).toEqual([
      { name: "apple", files: 2 },
      { name: "pear", files: 1 },
    ]);
    expect(folderTags(THREE_LEVELS, "none")).toEqual([]);
    expect(hasLevels(THREE_LEVELS)).toBe(true);
  });

  it("are the dropped folders themselves where these have no folders", () => {
    const flat = ["apple/1.jpg", "pear/2.jpg"].map(at);
    expect(folderTags(flat, "last").map((tag) => tag.name)).toEqual(["apple", "pear"]);
    expect(folderTags([at("apple/1.jpg")], "last")).toEqual([{ name: "apple", files: 1 }]);
    expect(hasLevels(flat)).toBe(false);
  });

  it("are the same with single files beside the folder", () => {
    const names = folderTags([...THREE_LEVELS, at("5.jpg")], "last").map((tag) => tag.name);
    expect(names).toEqual(["green", "pear", "red"]);
  });

  it("are the dropped folders for images directly in them where there are several", () => {
    const two = ["apple/1.jpg", "apple/red/2.jpg", "pear/3.jpg"].map(at);
    expect(folderTags(two, "last").map((tag) => tag.name)).toEqual(["apple", "pear", "red"]);
    expect(folderTags(two, "first").map((tag) => tag.name)).toEqual(["apple", "pear"]);
  });

  it("leave single files untagged", () => {
    expect(tagOfFile(at("1.jpg"), "last", 0)).toBeNull();
    expect(folderTags([at("1.jpg")], "last")).toEqual([]);
  });

  it("are one tag when they differ in case only", () => {
    expect(folderTags(["x/Apple/1.jpg", "x/apple/2.jpg", "x/b/c/3.jpg"].map(at), "last")).toEqual([
      { name: "Apple", files: 2 },
      { name: "c", files: 1 },
    ]);
  });
});
