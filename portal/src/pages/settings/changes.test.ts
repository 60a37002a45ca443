import { expect, it } from "vitest";
import type { Project } from "../../api/queries/projects";
import { changedOf, differs, draftOf, lossNote, requestBack, requestOf, trainingNote } from "./changes";

const PROJECT = {
  name: "Fruit",
  description: "",
  settings: { domainId: "food", classificationType: "Multilabel", targetExportPlatforms: ["ONNX"] },
} as unknown as Project;

it("finds differences, not edits that were taken back", () => {
  expect(differs(PROJECT, {})).toBe(false);
  expect(differs(PROJECT, { name: "Fruit" })).toBe(false);
  expect(differs(PROJECT, { description: "ripe" })).toBe(true);
});

it("requests the changed values only, so that those of other windows stay", () => {
  const changed = changedOf(PROJECT, { name: "Fruit", description: "ripe" });
  expect(requestOf(PROJECT, changed)).toEqual({ description: "ripe" });
  expect(requestBack(PROJECT, changed)).toEqual({ description: "" });
  expect(requestOf(PROJECT, { domainId: "retail" })).toEqual({ settings: { domainId: "retail" } });
});

it("keeps target platforms that it has no choice for", () => {
  expect(requestOf(PROJECT, { platforms: "VAIDK" })).toEqual({ settings: { targetExportPlatforms: ["ONNX", "VAIDK"] } });
  expect(requestBack(PROJECT, { platforms: "VAIDK" })).toEqual({ settings: { targetExportPlatforms: ["ONNX"] } });
});

it("says which values of another window a change replaces", () => {
  const now = { ...PROJECT, name: "By a program" };
  expect(lossNote({ name: "Fruit" }, now, { name: "Mine" })).toContain("the name ('\u2068By a program\u2069' now)");
  expect(lossNote({ description: "" }, now, { description: "ripe" })).toBeNull();
  expect(lossNote({ name: "By a program" }, now, { name: "Mine" })).toBeNull();
});

it("says that iterations keep their domain", () => {
  expect(trainingNote(PROJECT, draftOf(PROJECT), undefined)).toBeNull();
  expect(trainingNote(PROJECT, { ...draftOf(PROJECT), domainId: "retail" }, undefined)).toContain("The next training");
});
