/** Nothing in the portal is left over: exports that no file imports, classes of style sheets that no file names. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, it } from "vitest";

const ROOT = import.meta.dirname;
const paths = readdirSync(ROOT, { recursive: true, encoding: "utf8" }).filter((path) => !path.startsWith("api/generated"));
const sources = new Map(paths.filter((path) => /\.tsx?$/.test(path)).map((path) => [path, read(path)]));
const sheets = new Map(paths.filter((path) => path.endsWith(".module.css")).map((path) => [path, read(path)]));

function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** The file that an import of `from` means, without its ending unless it is a style sheet. */
function target(path: string, from: string): string {
  return normalize(join(dirname(path), from));
}

/** Imported names by file: "file name". */
function imports(): Set<string> {
  const found = new Set<string>();
  for (const [path, text] of sources) {
    for (const [, names, from] of text.matchAll(/^(?:import|export) (?:type )?(?:\w+, )?\{([^}]*)\} from "(\.[^"]+)"/gm))
      for (const name of names?.split(",") ?? [])
        found.add(`${target(path, from ?? "")} ${name.trim().replace(/^type /, "").replace(/ as .*/, "")}`);
    for (const [, local, from] of text.matchAll(/^import \* as (\w+) from "(\.[^"]+)"/gm))
      for (const [, name] of text.matchAll(new RegExp(`\\b${local ?? ""}\\.(\\w+)`, "g"))) found.add(`${target(path, from ?? "")} ${name ?? ""}`);
    for (const [, from] of text.matchAll(/\bimport\("(\.[^"]+)"\)/g)) found.add(`${target(path, from ?? "")} *`);
  }
  return found;
}

function exports(path: string, text: string): string[] {
  const declared = /^export (?:async )?(?:function|const|class|interface|type) (\w+)/gm;
  return [...text.matchAll(declared)].map(([, name]) => `${path.replace(/\.tsx?$/, "")} ${name ?? ""}`);
}

it("has no export that no file imports", () => {
  const imported = imports();
  const all = [...sources].flatMap(([path, text]) => exports(path, text));
  expect(all.length).toBeGreaterThan(300);
  expect(all.filter((each) => !imported.has(each) && !imported.has(each.replace(/ .*/, " *")))).toEqual([]);
});

/** Classes that a sheet declares itself. */
function declared(sheet: string): string[] {
  const own = sheet.replace(/\/\*[^]*?\*\/|:global\([^)]*\)|\[[^\]]*\]|\{[^{}]*\}/g, " ");
  return [...new Set([...own.matchAll(/\.([\w-]+)/g)].map(([, name]) => name ?? ""))];
}

/** Classes that the files that import a sheet name; one that ends with "*" stands for all that begin so. */
function named(sheet: string): string[] {
  return [...sources].flatMap(([path, text]) =>
    [...text.matchAll(/^import (\w+) from "(\.[^"]+\.css)"/gm)]
      .filter(([, , from]) => target(path, from ?? "") === sheet)
      .flatMap(([, local]) => [
        ...[...text.matchAll(new RegExp(`\\b${local ?? ""}\\.(\\w+)`, "g"))].map(([, name]) => name ?? ""),
        ...[...text.matchAll(new RegExp(`\\b${local ?? ""}\\[[\`"]([\\w-]+)(\\$?)`, "g"))].map(([, name, rest]) => `${name ?? ""}${rest ? "*" : ""}`),
      ]),
  );
}

it.each([...sheets])("has just the classes in %s that files name", (path, sheet) => {
  const classes = declared(sheet);
  const used = named(path);
  const isUsed = (name: string) => used.includes(name) || used.some((each) => each.endsWith("*") && name.startsWith(each.slice(0, -1)));
  expect(classes.filter((name) => !isUsed(name))).toEqual([]);
  expect(used.filter((name) => !name.endsWith("*") && !classes.includes(name))).toEqual([]);
});
