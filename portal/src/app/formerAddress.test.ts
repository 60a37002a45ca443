import { expect, test } from "vitest";
import { formerAddress } from "./formerAddress";

const ID = "00000000-0000-4000-8000-000000000000";

test("a bookmark of the former page opens the results of its iteration", () => {
  expect(formerAddress("/portal/", `#project=${ID}&iteration=${ID}`)).toBe(`/portal/projects/${ID}/results/${ID}`);
  expect(formerAddress("/a/portal/", `#project=${ID}&iteration=${ID}`)).toBe(`/a/portal/projects/${ID}/results/${ID}`);
});

test.each([
  ["/portal/", ""],
  ["/portal/", `#project=${ID}`],
  ["/portal/", `#project=//evil.example&iteration=${ID}`],
  ["/portal/projects", `#project=${ID}&iteration=${ID}`],
])("other addresses stay (%s%s)", (pathname, fragment) => {
  expect(formerAddress(pathname, fragment)).toBeNull();
});
