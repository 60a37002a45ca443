import { expect, test } from "vitest";
import { prefixOf } from "./prefix";

test.each([
  ["/portal/", ""],
  ["/portal/projects/1/portal/", ""],
  ["/vision/portal/", "/vision"],
  ["/a/b/portal/projects", "/a/b"],
  ["/", ""],
])("the prefix of %s is '%s'", (pathname, prefix) => {
  expect(prefixOf(pathname)).toBe(prefix);
});
