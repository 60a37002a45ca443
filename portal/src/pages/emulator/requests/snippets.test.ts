import { expect, test } from "vitest";
import { LANGUAGES, snippet, type LoggedRequest } from "./snippets";

const REQUEST: LoggedRequest = {
  number: 1,
  time: "2026-01-01T00:00:00.000Z",
  requestId: "r",
  operation: "CreateTag",
  api: "training",
  version: "3.3",
  versionSent: "v3.3",
  method: "POST",
  path: "/customvision/v3.3/training/projects/p/tags",
  query: "name=it's",
  projectId: "p",
  status: 200,
  durationMs: 1,
  bytesIn: 0,
  bytesOut: 10,
  userAgent: null,
  client: null,
  errorCode: null,
  reason: null,
  fault: null,
  departures: [],
  nearMisses: [],
};

test("every program has method, address and the header of the key, and no key", () => {
  for (const language of LANGUAGES) {
    const program = snippet(language, REQUEST, "http://localhost:10010");
    expect(program).toContain("POST");
    expect(program).toContain("http://localhost:10010/customvision/v3.3/training/projects/p/tags");
    expect(program).toContain("Training-Key");
    expect(program).toContain("VISION_TRAINING_KEY");
  }
});

test("an apostrophe does not end a word of the shell", () => {
  expect(snippet("curl", REQUEST, "http://h")).toContain(String.raw`name=it'\''s'`);
});

test("requests with a body say that it is not in the log", () => {
  for (const language of LANGUAGES)
    expect(snippet(language, { ...REQUEST, bytesIn: 7 }, "http://h")).toContain("7 bytes of a body were sent");
});

test("predictions have the other key", () => {
  const program = snippet("Python", { ...REQUEST, api: "prediction" }, "http://h");
  expect(program).toContain("Prediction-Key");
  expect(program).not.toContain("Training-Key");
});
