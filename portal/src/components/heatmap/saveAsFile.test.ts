import { expect, it } from "vitest";
import { fileName } from "./saveAsFile";

it("names the file after the image and the tag", () => {
  expect(fileName("board 7.jpg", "anomaly")).toBe("board-7-heat-map-anomaly.png");
  expect(fileName("https://host/a/b.png", "a/b \"c\"")).toBe("b-heat-map-a-b-c-.png");
  expect(fileName("", "Vogel ä")).toBe("image-heat-map-Vogel-ä.png");
  expect(fileName("x".repeat(500), "t").length).toBe(124);
});
