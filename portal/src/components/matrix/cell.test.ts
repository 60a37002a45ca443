import { describe, expect, it } from "vitest";
import { axes, cellOfText, cellText, cellTitle, isEmptyRow, nextCell, orderText, share } from "./cell";

const A = "11111111-1111-4111-8111-111111111111";
const B = "22222222-2222-4222-8222-222222222222";

describe("cells of the matrix", () => {
  it.each([
    { actual: A, predicted: B },
    { actual: "none", predicted: B },
    { actual: A, predicted: "none" },
    { tagId: A, outcome: "FalseNegative" as const },
  ])("are read from the address as they were written: %o", (cell) => {
    expect(cellOfText(cellText(cell))).toEqual(cell);
  });

  it.each([null, "", "x.y", A, `${A}~Wrong`, `${A}.`])("are not read from %s", (text) => {
    expect(cellOfText(text)).toBeNull();
  });

  it("have the share of their row", () => {
    expect(share([1, 3, 0], 1)).toBe(0.75);
    expect(share([0, 0], 0)).toBe(0);
  });

  it("are left by arrows for the next one with a number", () => {
    const counts = [
      [3, 0, 2],
      [0, 4, 0],
      [1, 0, 5],
    ];
    expect(nextCell(counts, 0, 0, 0, 1)).toEqual([0, 2]);
    expect(nextCell(counts, 0, 2, 0, -1)).toEqual([0, 0]);
    expect(nextCell(counts, 0, 0, 1, 0)).toEqual([1, 1]);
    expect(nextCell(counts, 1, 1, 1, 0)).toEqual([2, 0]);
    expect(nextCell(counts, 0, 2, 0, 1)).toBeNull();
    expect(nextCell(counts, 0, 0, -1, 0)).toBeNull();
  });

  it("are all reached by arrows, also over an empty row", () => {
    const counts = [
      [3, 0, 0],
      [0, 0, 0],
      [0, 0, 5],
    ];
    expect(nextCell(counts, 0, 0, 1, 0)).toEqual([2, 2]);
    expect(nextCell(counts, 2, 2, -1, 0)).toEqual([0, 0]);
  });

  it("have titles in words", () => {
    const name = (id: string) => (id === A ? "cat" : "dog");
    expect(cellTitle({ actual: A, predicted: B }, name, false)).toBe("'cat' predicted as 'dog'");
    expect(cellTitle({ actual: A, predicted: A }, name, false)).toBe("'cat' predicted correctly");
    expect(cellTitle({ actual: "none", predicted: B }, name, true)).toBe("'dog' predicted where no object is marked");
    expect(cellTitle({ actual: A, predicted: "none" }, name, true)).toBe("'cat' not found");
  });
});

it("says which images of a cell come first", () => {
  const tagId = "b";
  expect(orderText({ actual: "a", predicted: "b" }, false)).toContain("wrong labels");
  expect(orderText({ tagId, outcome: "FalsePositive" }, false)).toContain("wrong labels");
  expect(orderText({ actual: "a", predicted: "a" }, false)).toBe("The most confident predictions come first.");
  expect(orderText({ actual: "a", predicted: "none" }, false)).toContain("below the threshold");
  expect(orderText({ tagId, outcome: "FalseNegative" }, true)).toContain("newest");
});

it("names what is nothing by the kind of project", () => {
  const matrix = { type: "ObjectDetection", tags: [{ id: A, name: "cat" }], counts: [[1, 0], [0, 0]] } as never;
  expect(axes(matrix).rows.map((each) => each.name)).toEqual(["cat", "Background"]);
  expect(axes(matrix).columns.map((each) => each.name)).toEqual(["cat", "Not found"]);
  expect(isEmptyRow(matrix, 1)).toBe(true);
  expect(isEmptyRow(matrix, 0)).toBe(false);
});
