// Faults as Microsoft's official JavaScript SDK experiences them: what it repeats, and what it raises.
//
// VISION_TRAINING_ENDPOINT and VISION_TRAINING_KEY are those of Microsoft's quickstarts.

import assert from "node:assert/strict";

import training from "@azure/cognitiveservices-customvision-training";
import msRest from "@azure/ms-rest-js";

const { VISION_TRAINING_ENDPOINT: endpoint, VISION_TRAINING_KEY: key } = process.env;
const credentials = new msRest.ApiKeyCredentials({ inHeader: { "Training-key": key } });
const trainer = new training.TrainingAPIClient(credentials, endpoint);
const withoutRetries = new training.TrainingAPIClient(credentials, endpoint, { noRetryPolicy: true });
const control = { headers: { "Training-Key": key } };

async function setFaults(operation, ...steps) {
  const body = JSON.stringify({ operation, steps });
  const made = await fetch(`${endpoint}/_emulator/faults`, { ...control, method: "POST", body });
  assert.equal(made.status, 201);
}

async function allUsed() {
  return (await (await fetch(`${endpoint}/_emulator/faults`, control)).json()).allUsed;
}

// The SDK leaves it to the program to repeat a throttled call.
await setFaults("CreateProject", { kind: "throttle" });
await assert.rejects(trainer.createProject("faults"), (error) => {
  assert.equal(error.statusCode, 429);
  assert.equal(error.response.headers.get("Retry-After"), "1");
  return true;
});
const project = await trainer.createProject("faults");
assert.ok(await allUsed());

await setFaults("CreateTag", { kind: "status", code: "BadRequestTagNameNotUnique", message: "Taken." });
await assert.rejects(trainer.createTag(project.id, "one"), (error) => {
  assert.deepEqual([error.statusCode, error.body.code, error.body.message], [400, "BadRequestTagNameNotUnique", "Taken."]);
  return true;
});

for (const step of [{ kind: "reset", afterDone: true }, { kind: "close", afterDone: true }]) {
  await setFaults("CreateTag", step);
  await assert.rejects(withoutRetries.createTag(project.id, step.kind));
}
const tags = await trainer.getTags(project.id);
assert.deepEqual(tags.map((tag) => tag.name).sort(), ["close", "reset"]);
assert.ok(await allUsed());
console.log("done");
