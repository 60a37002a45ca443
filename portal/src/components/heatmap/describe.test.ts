import { describe as suite, expect, it } from "vitest";
import { describe, placeInWords } from "./describe";

const WHOLE = { left: 0, top: 0, width: 1, height: 1 };

suite("heat maps in words", () => {
  it("names nine places", () => {
    expect(placeInWords(0.1, 0.1)).toBe("upper left");
    expect(placeInWords(0.5, 0.9)).toBe("lower middle");
    expect(placeInWords(0.9, 0.5)).toBe("right");
    expect(placeInWords(0.5, 0.5)).toBe("center");
  });

  it("says where contributions are strongest, and how much of the image they are", () => {
    const values = [
      [0, 0.2, 1],
      [0, 0, 0.5],
      [0, 0, 0],
    ];
    const map = { values, rows: 3, columns: 3, boundingBox: WHOLE, method: "ClassActivation" } as const;
    expect(describe(map)).toBe("Strongest at the upper right. 22% of the image has half of that or more.");
    // A map of the middle of the image.
    const middle = { ...map, boundingBox: { left: 0.25, top: 0, width: 0.3, height: 1 } };
    expect(describe(middle)).toBe("Strongest at the upper middle. 7% of the image has half of that or more.");
    expect(describe({ ...map, values: [[0, 0], [0, 0]], rows: 2, columns: 2 })).toBe("No place of the image speaks for the tag.");
  });

  it("gives probabilities of anomalies", () => {
    const map = { rows: 2, columns: 2, boundingBox: WHOLE, method: "AnomalyProbability" } as const;
    expect(describe({ ...map, values: [[0.1, 0.1], [0.91, 0.2]] })).toBe(
      "Most probable at the lower left: 91.0%. 25% of the image has 50% or more.",
    );
    expect(describe({ ...map, values: [[0.1, 0.1], [0.2, 0.1]] })).toBe("Most probable at the lower left: 20.0%. No place has 50% or more.");
  });
});
