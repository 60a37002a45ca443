import { describe, expect, it } from "vitest";
import { begin, changed, mapped, redone, undone } from "./steps";

describe("steps", () => {
  it("goes back and forth", () => {
    const steps = changed(changed(begin(0), 1, "one"), 2, "two");
    const back = undone(steps);
    expect([back?.label, back?.steps.current]).toEqual(["two", 1]);
    const first = undone(back?.steps ?? steps);
    expect(first?.steps.current).toBe(0);
    expect(undone(first?.steps ?? steps)).toBeNull();
    const again = redone(first?.steps ?? steps);
    expect([again?.label, again?.steps.current]).toEqual(["one", 1]);
    expect(redone(steps)).toBeNull();
  });

  it("forgets what was undone when something else is done", () => {
    const back = undone(changed(begin("a"), "b", "b"));
    const steps = changed(back?.steps ?? begin(""), "c", "c");
    expect(redone(steps)).toBeNull();
    expect(undone(steps)?.steps.current).toBe("a");
  });

  it("merges equal steps into one", () => {
    let steps = begin(0);
    for (let value = 1; value < 6; value++) steps = changed(steps, value, "Moved", true);
    expect(steps.current).toBe(5);
    expect(undone(steps)?.steps.current).toBe(0);
    steps = changed(steps, 9, "Resized", true);
    expect(undone(steps)?.steps.current).toBe(5);
  });

  it("carries a change through all versions", () => {
    const back = undone(changed(changed(begin(0), 1, "one"), 2, "two"));
    const steps = mapped(back?.steps ?? begin(0), (value) => value + 10);
    expect(steps.current).toBe(11);
    expect(undone(steps)?.steps.current).toBe(10);
    expect(redone(steps)?.steps.current).toBe(12);
  });
});
