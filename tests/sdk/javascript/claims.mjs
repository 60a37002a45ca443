// What one version of Microsoft's official JavaScript SDK says about the contract, as one JSON object on the
// standard output: for "training" and "prediction" the client's address, its operations and its models.
//
//     node claims.mjs <training package> <prediction package>
//
// Nothing is sent. Each method of a client is called once with a `sendOperationRequest` that keeps what the
// method would have sent by: the specification that the SDK itself serializes and deserializes with.

import { createRequire } from "node:module";
import { join, dirname } from "node:path";
import { readFileSync } from "node:fs";

import { operationsOf } from "./operations.mjs";

const require = createRequire(import.meta.url);

function claimsOf(packageName, api) {
  const exported = require(packageName);
  const client = exported[`${api}APIClient`];
  const folder = dirname(require.resolve(`${packageName}/package.json`));
  return {
    address: new client({ signRequest: async (request) => request }, "http://127.0.0.1:1").baseUri,
    operations: Object.fromEntries(
      Object.entries(operationsOf(client)).map(([name, { argumentNames, specification }]) => [
        name,
        { argumentNames, ...specification, serializer: undefined },
      ]),
    ),
    mappers: exported[`${api}APIMappers`],
    // Enumerations are types alone; nothing is left of them in the code that runs.
    types: ["models/index.d.ts", `${api.toLowerCase()}APIClient.d.ts`]
      .map((path) => readFileSync(join(folder, "esm", path), "utf8"))
      .join("\n"),
  };
}

const [training, prediction] = process.argv.slice(2);
console.log(
  JSON.stringify({
    training: claimsOf(training, "Training"),
    prediction: claimsOf(prediction, "Prediction"),
  }),
);
