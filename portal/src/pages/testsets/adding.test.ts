import { describe, expect, it } from "vitest";
import type { AddedTestImage } from "../../api/queries/testSets";
import { pathOf, type Candidate } from "../../uploads/intake";
import { batches, outcomeOf } from "./adding";

function dropped(path: string, size = 10): Candidate {
  const folders = path.split("/");
  const name = folders.pop() ?? "";
  return { file: new File([new Uint8Array(size)], name), folders, kind: "image" };
}

describe("batches of files", () => {
  it("have one tag each, the name of the last folder", () => {
    const found = batches([dropped("set/cats/1.jpg"), dropped("set/dogs/1.jpg"), dropped("set/cats/2.jpg")]);
    expect(found.map((each) => [each.tagName, each.files.map(pathOf)])).toEqual([
      ["cats", ["set/cats/1.jpg", "set/cats/2.jpg"]],
      ["dogs", ["set/dogs/1.jpg"]],
    ]);
  });

  it("join folders whose names differ in case only", () => {
    expect(batches([dropped("s/Cats/1.jpg"), dropped("s/cats/2.jpg")])).toHaveLength(1);
  });

  it("have no tag for files outside of folders", () => {
    expect(batches([dropped("1.jpg"), dropped("2.jpg")]).map((each) => each.tagName)).toEqual([null]);
  });

  it("take at most 16 files and 24 MB", () => {
    const many = Array.from({ length: 20 }, (_, index) => dropped(`s/a/${index}.jpg`));
    expect(batches(many).map((each) => each.files.length)).toEqual([16, 4]);
    const large = Array.from({ length: 3 }, (_, index) => dropped(`s/a/${index}.jpg`, 10 * 1024 * 1024));
    expect(batches(large).map((each) => each.files.length)).toEqual([2, 1]);
  });
});

describe("the outcome of a request", () => {
  const image = { alsoInTraining: true } as AddedTestImage["image"];
  const results: AddedTestImage[] = [
    { sourceUrl: "1.jpg", status: "OK", reason: "", image },
    { sourceUrl: "2.jpg", status: "OKDuplicate", reason: "there already", image },
    { sourceUrl: "3.jpg", status: "ErrorImageFormat", reason: "no image", image: null },
    { sourceUrl: "4.jpg", status: "ErrorInvalidTag", reason: "the project has no tag named 'x'", image: null },
  ];

  it("counts images, and names the refused ones by their paths", () => {
    const { refused, ...counts } = outcomeOf(["a/1.jpg", "a/2.jpg", "a/3.jpg", "a/4.jpg"], results);
    expect(counts).toEqual({ added: 1, duplicates: 1, alsoInTraining: 1 });
    expect(refused.map((each) => each.name)).toEqual(["a/3.jpg", "a/4.jpg"]);
    expect(refused[0]?.reason).toContain("not an image that can be read");
    expect(refused[1]?.reason).toBe("The project has no tag named 'x'.");
  });
});
