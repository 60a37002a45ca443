import { expect, it } from "vitest";
import type { Project } from "../../api/queries/projects";
import { arranged, orderOf } from "./gallery";

function project(name: string, changed: string, description = ""): Project {
  return { name, description, created: changed, lastModified: changed } as Project;
}

const PROJECTS = [project("Bolt 10", "2026-01-03"), project("bolt 9", "2026-01-01", "M8 steel"), project("Fruit", "2026-01-02")];
const names = (projects: readonly Project[]) => projects.map((each) => each.name);

it("finds all words, in names and descriptions, in any case", () => {
  expect(names(arranged(PROJECTS, "steel BOLT", "name"))).toEqual(["bolt 9"]);
  expect(names(arranged(PROJECTS, "  ", "name"))).toHaveLength(3);
});

it("sorts by the last change and by name with numbers", () => {
  expect(names(arranged(PROJECTS, "", "changed"))).toEqual(["Bolt 10", "Fruit", "bolt 9"]);
  expect(names(arranged(PROJECTS, "", "name"))).toEqual(["bolt 9", "Bolt 10", "Fruit"]);
  expect(orderOf("size")).toBe("changed");
});
