import { expect, it } from "vitest";
import { ago, bytes, count, duration, named, percent, precisionText } from "./format";

it("writes percentages, counts, durations and sizes", () => {
  expect(percent(0.98765)).toBe("98.8%");
  expect(percent(null)).toBe("–");
  expect(count(1, "image")).toBe("1 image");
  expect(count(3, "image")).toBe("3 images");
  expect([duration(45), duration(125), duration(4800)]).toEqual(["45 s", "2 min 5 s", "1 h 20 min"]);
  expect([bytes(512), bytes(2_300_000)]).toEqual(["512 bytes", "2.3 MB"]);
});

it("writes moments relative to now", () => {
  const now = Date.parse("2026-03-01T12:00:00Z");
  expect(ago("2026-03-01T11:57:00Z", now)).toBe("3 minutes ago");
  expect(ago("2026-02-28T12:00:00Z", now)).toBe("yesterday");
  expect([ago("2026-03-01T11:59:57Z", now), ago("2026-03-01T12:00:03Z", now)]).toEqual(["just now", "just now"]);
});

it("writes the date of what seems to be in the future, since a clock is wrong", () => {
  expect(ago("2026-03-01T11:57:00Z", Date.parse("2001-01-01T00:00:00Z"))).toContain("2026");
});

it("isolates and cuts names", () => {
  expect(named("cat")).toBe("'\u2068cat\u2069'");
  expect(Array.from(named("🐈".repeat(10_000)))).toHaveLength(44);
});

it("says that there are no predictions rather than a precision of 0", () => {
  expect(precisionText(0, 0)).toBe("no predictions");
  expect(precisionText(0, 4)).toBe("0.0%");
  expect(precisionText(0.5, null)).toBe("50.0%");
  expect(precisionText(null, undefined)).toBe("–");
});
