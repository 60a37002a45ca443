import { expect, it, vi } from "vitest";
import { ApiError, errorOf, inWords, Problem, UnexpectedResponse, withoutCode } from "./errors";

it.each([
  new TypeError("Cannot read properties of null (reading 'length')"),
  new Error('["project","1"] data is undefined'),
  "text",
  undefined,
])("says nothing of JavaScript about %s", (error) => {
  const log = vi.spyOn(console, "error").mockReturnValue();
  expect(inWords(error)).toMatch(/^The portal failed here\./);
  expect(inWords(error)).toBe(inWords(error));
  expect(log.mock.calls.length).toBe(error instanceof Error ? 1 : 0);
  log.mockRestore();
});

it("passes on what the portal and the service say", () => {
  expect(inWords(new Problem("No image has 'cat'."))).toBe("No image has 'cat'.");
  expect(inWords(new ApiError(400, "BadRequestTagName", "The name is too long."))).toBe("The name is too long.");
});

it("says that something was deleted elsewhere, and why an address gives no image", () => {
  expect(inWords(new ApiError(404, "NotFoundIteration", "Invalid iteration"))).toContain("does not exist any more");
  expect(inWords(new ApiError(400, "BadRequestImageUrl", "The host of the URL is unknown."))).toBe(
    "No image could be read at this address. The host of the URL is unknown.",
  );
});

it("leaves out the error code before the reason of a failure", () => {
  expect(withoutCode("BadRequestTrainingValidationFailed: Not enough tags.")).toBe("Not enough tags.");
  expect(withoutCode("Note: the disk is full.")).toBe("Note: the disk is full.");
});

it("explains responses that are not the emulator's", () => {
  expect(inWords(new SyntaxError("Unexpected token '<'"))).toBe(new UnexpectedResponse().message);
});

it.each(["null", "[]", '{"error": null}', '{"message": {}}', "<html>"])("reads the error body %s", async (body) => {
  const error = await errorOf(new Response(body, { status: 502 }));
  expect([error.status, error.code, error.message]).toEqual([502, "", ""]);
});
