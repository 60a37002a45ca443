import { expect, it } from "vitest";
import type { DroppedFile } from "../lib/droppedFiles";
import { openZip } from "../lib/zip";
import { zipOf } from "../lib/zipOf";
import { archiveOf, hasLabels, isLabelFile, nameOf, subjectOf } from "./dataSetFiles";

const { signal } = new AbortController();
const dropped = (path: string, content: BlobPart = "x"): DroppedFile => {
  const folders = path.split("/");
  const name = folders.pop() ?? "";
  return { file: new File([content], name), folders };
};

it("knows files of labels by their names", () => {
  for (const path of ["a/instances.json", "obj.names", "data.yaml", "x/labels/train/1.txt", "Annotations/1.xml", "t.CSV", "d.jsonl"])
    expect(isLabelFile(path), path).toBe(true);
  for (const path of ["notes.txt", "1.jpg", "__MACOSX/a.json", "a/._b.xml", "labels.zip"]) expect(isLabelFile(path), path).toBe(false);
});

it("finds labels beside images and within archives", async () => {
  expect(await hasLabels([dropped("pets/cat/1.jpg"), dropped("pets/notes.txt")])).toBe(false);
  expect(await hasLabels([dropped("pets/1.jpg"), dropped("pets/instances.json")])).toBe(true);
  const archive = await zipOf([{ path: "labels/1.txt", file: new Blob(["0"]) }], signal, () => undefined);
  expect(await hasLabels([dropped("pets.zip", archive)])).toBe(true);
  expect(await hasLabels([dropped("pets.zip", "damaged")])).toBe(false);
});

it("sends an archive as it is, and packs everything else with its folders", async () => {
  const archive = dropped("pets.zip", await zipOf([{ path: "a/1.jpg", file: new Blob(["1"]) }], signal, () => undefined));
  expect(await archiveOf([archive], signal, () => undefined)).toBe(archive.file);
  const progress: [number, number][] = [];
  const files = [dropped("pets/labels.json", "{}"), dropped("pets/.DS_Store"), archive];
  const packed = await openZip(await archiveOf(files, signal, (...each) => progress.push(each)));
  expect(packed.map((each) => each.path)).toEqual(["pets/labels.json", "a/1.jpg"]);
  expect(progress).toEqual([[1, 2], [2, 2]]);
});

it("names a project after the folder or the file", () => {
  expect(nameOf([dropped("pets/cat/1.jpg")])).toBe("pets");
  expect(nameOf([dropped("my.pets.zip")])).toBe("my.pets");
  expect(nameOf([])).toBe("");
  expect(subjectOf([dropped("my.pets.zip")])).toBe("my.pets.zip");
});
