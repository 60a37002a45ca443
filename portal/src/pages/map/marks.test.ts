import { expect, it } from "vitest";
import { markOf, marksOf, UNTAGGED } from "./marks";

it("neighboring tags have different shapes, and an image has the mark of its first tag", () => {
  const tags = Array.from({ length: 20 }, (_, index) => ({ id: `tag ${index}` }));
  const marks = marksOf(tags);
  const shapes = tags.map((tag) => marks.get(tag.id)?.shape);
  shapes.slice(1).forEach((shape, index) => expect(shape).not.toBe(shapes[index]));
  expect(markOf(["tag 3", "tag 4"], marks)).toBe(marks.get("tag 3"));
  expect(markOf([], marks)).toBe(UNTAGGED);
  expect(markOf(["deleted"], marks)).toBe(UNTAGGED);
});
