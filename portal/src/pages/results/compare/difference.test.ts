import { describe, expect, it } from "vitest";
import { difference } from "./difference";

describe("a difference of figures", () => {
  it.each([
    [0.0321, "▲ +3.2", "better"],
    [-0.01, "▼ −1.0", "worse"],
    [0.0004, "no change", "same"],
    [undefined, "not comparable", "unknown"],
  ])("%s", (value, text, direction) => {
    expect(difference(value)).toEqual({ text, direction });
  });

  it("of errors is better when it is negative", () => {
    expect(difference(-0.01, true)).toEqual({ text: "▼ −1.0", direction: "better" });
    expect(difference(0.01, true)).toEqual({ text: "▲ +1.0", direction: "worse" });
    expect(difference(0, true)).toEqual({ text: "no change", direction: "same" });
  });
});
