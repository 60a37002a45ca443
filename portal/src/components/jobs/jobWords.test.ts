import { expect, test } from "vitest";
import type { Job } from "../../api/queries/jobs";
import { endTitle, jobTitle, pageOf, percentDone, timeLeft } from "./jobWords";

const JOB: Job = {
  id: "j",
  kind: "training",
  projectId: "p",
  projectName: "Fruit",
  iterationId: "i",
  iterationName: "Iteration 3",
  trainingType: "Regular",
  platform: null,
  flavor: null,
  status: "Running",
  stage: "Training",
  progress: 0.409,
  created: "2026-01-01T00:00:00.000Z",
  started: "2026-01-01T00:00:01.000Z",
  ended: null,
  secondsLeft: 12,
  failure: null,
};

test.each([
  [null, null],
  [0, "a few seconds left"],
  [7.9, "a few seconds left"],
  [8, "about 10 s left"],
  [41, "about 45 s left"],
  [58, "about 1 min left"],
  [150, "about 3 min left"],
  [3600, "about 1 h left"],
  [5400, "about 1 h 30 min left"],
  [7199, "about 2 h left"],
])("%s seconds are %s", (seconds, words) => {
  expect(timeLeft(seconds)).toBe(words);
});

test("titles name what a job is for", () => {
  expect(jobTitle(JOB)).toBe("Training of Iteration 3");
  expect(jobTitle({ ...JOB, kind: "export", platform: "ONNX", flavor: "ONNX12" })).toBe("Export of Iteration 3 to ONNX (ONNX12)");
  expect(jobTitle({ ...JOB, kind: "export", platform: "CoreML" })).toBe("Export of Iteration 3 to CoreML");
});

test("the check of a data set is no import", () => {
  expect(jobTitle({ ...JOB, kind: "check" })).toBe("Check of a data set");
  expect(jobTitle({ ...JOB, kind: "import" })).toBe("Import into the project");
  expect(pageOf({ ...JOB, kind: "import", status: "Completed" })).toBe("/projects/p/images");
});

test("ends are completed, failed or stopped", () => {
  expect(endTitle({ ...JOB, status: "Completed" })).toBe("Iteration 3 is trained");
  expect(endTitle({ ...JOB, status: "Failed" })).toBe("The training of Iteration 3 failed");
  expect(endTitle({ ...JOB, status: "Cancelled" })).toBe("The training of Iteration 3 was stopped");
});

test("a completed training leads to its results, another one to the page of training", () => {
  expect(pageOf({ ...JOB, status: "Completed" })).toBe("/projects/p/results/i");
  expect(pageOf(JOB)).toBe("/projects/p/train");
  expect(pageOf({ ...JOB, kind: "export" })).toBe("/projects/p/results/i");
});

test("percents are not rounded up", () => {
  expect(percentDone(JOB)).toBe(40);
  expect(percentDone({ ...JOB, progress: null })).toBeNull();
});
