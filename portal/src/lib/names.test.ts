import { expect, it } from "vitest";
import { cut, folded, problemOfName } from "./names";

it.each(["cat", "a".repeat(256), "\u{1F408}".repeat(256), "\u05d7\u05ea\u05d5\u05dc"])("accepts %s", (name) => {
  expect(problemOfName(name)).toBeNull();
});

it.each([
  ["  ", "empty"],
  ["a".repeat(300), "300 characters"],
  ["two\nlines", "line breaks"],
  ["a\u2028b", "line breaks"],
])("says why %j is refused", (name, reason) => {
  expect(problemOfName(name)).toContain(reason);
});

it("names are compared without regard to case, as the service compares them in every language", () => {
  for (const [one, other] of [["Straße", "STRASSE"], ["ẞ", "ss"], ["ﬁg", "FIG"], ["ΟΔΟΣ", "οδος"], [" Cat ", "cAT"], ["TITLE", "title"]])
    expect(folded(one ?? "")).toBe(folded(other ?? ""));
  expect(folded("ı")).not.toBe(folded("i"));
});

it("names are cut between characters", () => {
  expect(cut("🐈🐈🐈🐈", 3)).toBe("🐈🐈…");
  expect(cut("🐈🐈🐈", 3)).toBe("🐈🐈🐈");
});
