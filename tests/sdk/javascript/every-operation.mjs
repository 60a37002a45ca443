// Carries out the steps of ../scenario.py through one version of Microsoft's official JavaScript SDK.
//
//     node every-operation.mjs <training package> <prediction package>
//
// It is the twin of ../every_operation.py: the variables of Microsoft's quickstarts, SCENARIO, ANSWERS and
// NOT_IN_VERSION stand in the environment, and the last line is JSON. Nothing here knows a version: how an
// operation is called is read from the SDK itself.

import assert from "node:assert/strict";
import { appendFileSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";

import { operationsOf } from "./operations.mjs";

const require = createRequire(import.meta.url);
const environment = process.env;
const patienceMilliseconds = 60_000;
const received = [];

async function chunksOf(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

// Keeps each answer with its bytes, those of an answer that is streamed included.
function recorder(next) {
  return {
    async sendRequest(request) {
      const answer = await next.sendRequest(request);
      let bytes = Buffer.from(answer.bodyAsText ?? "");
      if (answer.readableStreamBody) {
        bytes = Buffer.concat(await chunksOf(answer.readableStreamBody));
        answer.readableStreamBody = Readable.from([bytes]);
      }
      received.push({ request, answer, bytes });
      return answer;
    },
  };
}

function makeClient(packageName, api) {
  const kind = require(packageName)[`${api}APIClient`];
  const variables = `VISION_${api.toUpperCase()}`;
  const key = environment[`${variables}_KEY`];
  const operations = operationsOf(kind);
  const [anyone] = Object.values(operations);
  const credentials = {
    async signRequest(request) {
      request.headers.set(`${api}-Key`, key);
      return request;
    },
  };
  // The first versions take the key itself, and send it as a parameter of each operation.
  const takesKey = (anyone.specification.headerParameters ?? []).length > 0;
  const client = new kind(takesKey ? key : credentials, environment[`${variables}_ENDPOINT`], {
    requestPolicyFactories: (usual) => [...usual, { create: recorder }],
  });
  return Object.entries(operations).map(([method, operation]) => [
    method[0].toUpperCase() + method.slice(1),
    { ...operation, call: (...given) => client[method](...given) },
  ]);
}

const [trainingPackage, predictionPackage] = process.argv.slice(2);
const operations = new Map([
  ...makeClient(trainingPackage, "Training"),
  ...makeClient(predictionPackage, "Prediction"),
]);

// The arguments of an operation in their order; `given` and `ifKnown` bear the contract's names.
function argumentsOf({ argumentNames, specification }, given, ifKnown) {
  const placed = { options: {} };
  const used = new Set();
  function place(name, parameterPath) {
    const value = given[name] ?? ifKnown[name];
    if (value === undefined) return;
    used.add(name);
    const [first, second] = [parameterPath].flat();
    if (second === undefined) placed[first] = value;
    else placed[first][second] = value;
  }
  const { urlParameters, queryParameters = [], formDataParameters = [], requestBody } = specification;
  for (const { parameterPath, mapper } of [...urlParameters, ...queryParameters, ...formDataParameters]) {
    place(mapper.serializedName, parameterPath);
  }
  if (requestBody) place("body", requestBody.parameterPath);
  const unused = Object.keys(given).filter((name) => !used.has(name));
  assert.deepEqual(unused, [], "the SDK has no such arguments");
  return argumentNames.map((name) => placed[name]);
}

// Steps

function resolved(value, saved) {
  if (Array.isArray(value)) return value.map((item) => resolved(item, saved));
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [
        key,
        // Bytes, which JSON has as Base64
        key === "contents" || key === "imageData" ? Buffer.from(item, "base64") : resolved(item, saved),
      ]),
    );
  }
  if (typeof value !== "string" || !value.startsWith("$")) return value;
  const [place, part] = value.slice(1).split("|");
  const [name, ...keys] = place.split(".");
  const found = keys.reduce((outer, key) => outer[key], saved.get(name));
  return part === "path" ? new URL(found).pathname : found;
}

function* unmatched(expected, given, at = "$") {
  if (Array.isArray(expected) && Array.isArray(given) && expected.length === given.length) {
    for (const [index, value] of expected.entries()) yield* unmatched(value, given[index], `${at}[${index}]`);
  } else if ([expected, given].every((one) => one && typeof one === "object" && !Array.isArray(one))) {
    for (const [key, value] of Object.entries(expected)) yield* unmatched(value, given[key], `${at}.${key}`);
  } else if (expected !== given) {
    yield `${at}: ${JSON.stringify(given)}, expected ${JSON.stringify(expected)}`;
  }
}

// Carry out a step once: the answer's JSON (null without), and how it is not what is expected.
async function carryOut(step, saved) {
  received.length = 0;
  const operation = operations.get(step.call);
  const given = argumentsOf(operation, resolved(step.with ?? {}, saved), resolved(step["if known"] ?? {}, saved));
  let made, error;
  try {
    made = await operation.call(...given);
  } catch (raised) {
    if (!(raised.statusCode >= 400)) throw raised;
    error = raised;
  }
  assert.equal(received.length, 1, "not one request for one call");
  const [{ request, answer, bytes }] = received;
  const headers = Object.fromEntries(answer.headers.headersArray().map(({ name, value }) => [name, value]));
  const wire = /json/.test(headers["content-type"]) ? JSON.parse(bytes) : null;
  const line = {
    operation: step.call,
    method: request.method,
    url: request.url,
    status: answer.status,
    headers,
    body: bytes.toString("base64"),
    understood: error ? error.body : (made._response.parsedBody ?? null),
  };
  appendFileSync(environment.ANSWERS, JSON.stringify(line) + "\n");
  if (error || step.refused) {
    const expected = step.refused ?? "success";
    return [wire, [...unmatched(expected, [answer.status, error?.body?.code])]];
  }
  const expected = step.until ?? step.expect;
  return [wire, expected === undefined ? [] : [...unmatched(resolved(expected, saved), wire)]];
}

const skipped = new Set(environment.NOT_IN_VERSION.split(" "));
const called = new Set();
const saved = new Map();
for (const step of JSON.parse(readFileSync(environment.SCENARIO, "utf8"))) {
  if ([step.call, step.needs ?? step.call].some((name) => !operations.has(name) || skipped.has(name))) continue;
  const deadline = Date.now() + patienceMilliseconds;
  let [wire, problems] = await carryOut(step, saved);
  while (step.until && problems.length > 0) {
    assert.ok(Date.now() < deadline, `${step.call}: waited in vain: ${problems}`);
    await pause(20);
    [wire, problems] = await carryOut(step, saved);
  }
  assert.deepEqual(problems, [], `${step.call}: ${JSON.stringify(wire)}`);
  if (!step.refused) called.add(step.call);
  if (step.as) saved.set(step.as, wire);
}
console.log(JSON.stringify({ has: [...operations.keys()].sort(), called: [...called].sort() }));
