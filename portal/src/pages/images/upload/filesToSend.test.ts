import { expect, it } from "vitest";
import type { Candidate, Kind } from "../../../uploads/intake";
import { filesToSend, type Choices } from "./filesToSend";

const at = (path: string, kind: Kind = "image"): Candidate => {
  const parts = path.split("/");
  return { file: new File(["x"], parts.at(-1) ?? ""), folders: parts.slice(0, -1), kind };
};
const CHOICES: Choices = { level: "last", left: new Set(), common: [], scale: true, convert: true, isMulticlass: false };
const tags = (candidates: Candidate[], choices: Partial<Choices>) =>
  filesToSend(candidates, { ...CHOICES, ...choices }).files.map((file) => file.tags);

it("gives tags of folders and those for all", () => {
  const files = [at("x/apple/1.jpg"), at("x/2.jpg")];
  expect(tags(files, { common: ["fruit", "APPLE"] })).toEqual([["apple", "fruit"], ["fruit", "APPLE"]]);
  expect(tags(files, { level: "none" })).toEqual([[], []]);
  expect(tags(files, { left: new Set(["apple"]) })).toEqual([[], []]);
});

it("gives one tag in a multiclass project", () => {
  const files = [at("x/apple/1.jpg"), at("x/2.jpg")];
  expect(tags(files, { isMulticlass: true, common: ["fruit", "more"] })).toEqual([["apple"], ["fruit"]]);
});

it("leaves out what cannot be sent, with the reason", () => {
  const files = [at("a.jpg", "large"), at("b.txt", "other"), at("c.webp", "convertible"), at("d.jpg")];
  const all = filesToSend(files, CHOICES);
  expect(all.files.map((file) => [file.name, file.scale])).toEqual([["a.jpg", true], ["c.webp", true], ["d.jpg", false]]);
  expect(all.refused.map((finding) => finding.file.name)).toEqual(["b.txt"]);
  const few = filesToSend(files, { ...CHOICES, scale: false, convert: false });
  expect(few.files.map((file) => file.name)).toEqual(["d.jpg"]);
  expect(few.refused).toHaveLength(3);
  expect(few.refused[0]?.reason).toContain("6 MB");
});
