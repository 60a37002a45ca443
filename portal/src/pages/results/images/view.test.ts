import { expect, it } from "vitest";
import type { Judgment } from "./judge";
import { layerOf, nextWrong, shownBoxes } from "./view";

it("goes to the next wrong image, and to the first one after the last", () => {
  const wrong = [false, true, false, true];
  expect([-1, 0, 1, 3].map((from) => nextWrong(wrong, from))).toEqual([1, 1, 3, 1]);
  expect(nextWrong([false], 0)).toBeNull();
});

it("turns from one layer to the next and back", () => {
  const first = layerOf(null);
  expect(layerOf(layerOf(layerOf(first.next).next).next)).toBe(first);
});

it("shows the boxes of the layer", () => {
  const box = { left: 0, top: 0, width: 1, height: 1 };
  const judgment = {
    labels: [{ tagId: "a", tagName: "cat", isRight: true, box }],
    predictions: [
      { tagId: "b", tagName: "dog", isRight: false, box, probability: 0.9 },
      { tagId: "b", tagName: "dog", isRight: false, box: null, probability: 0.8 },
    ],
  } as unknown as Judgment;
  expect(shownBoxes(judgment, layerOf("both"))).toEqual([
    { tagId: "a", name: "cat", box, dashed: false, isWrong: false },
    { tagId: "b", name: "dog", box, dashed: true, isWrong: true },
  ]);
  expect(shownBoxes(judgment, layerOf("labels")).map((each) => each.name)).toEqual(["cat"]);
  expect(shownBoxes(judgment, layerOf("predictions")).map((each) => each.name)).toEqual(["dog"]);
});
