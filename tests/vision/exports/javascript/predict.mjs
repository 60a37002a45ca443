// Load TensorFlow.js exports with the service's own package and predict pictures.
//
//     node predict.mjs order.json
//
// The order is a list: of each model its folder, whether it finds boxes, whether the package is to prepare the
// pictures itself, and the pictures: side, and a file with their bytes, RGB or as the model wants them. Printed is
// a list of the same length: for each picture what the package makes of it, and the raw outputs.

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import cvstfjs from '@microsoft/customvision-tfjs';

const here = path.dirname(fileURLToPath(import.meta.url));
setWasmPaths(path.join(here, 'node_modules/@tensorflow/tfjs-backend-wasm/dist/'));
await tf.setBackend('wasm');

// What a browser would fetch from beside model.json.
const fromFolder = (folder) => ({
  load: async () => {
    const model = JSON.parse(fs.readFileSync(path.join(folder, 'model.json'), 'utf8'));
    const [{ paths, weights }] = model.weightsManifest;
    const bytes = Buffer.concat(paths.map((name) => fs.readFileSync(path.join(folder, name))));
    return {
      format: model.format,
      modelTopology: model.modelTopology,
      signature: model.signature,
      userDefinedMetadata: model.userDefinedMetadata,
      weightSpecs: weights,
      weightData: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength),
    };
  },
});

const results = [];
for (const { folder, detection, prepared, pictures } of JSON.parse(fs.readFileSync(process.argv[2], 'utf8'))) {
  const model = detection ? new cvstfjs.ObjectDetectionModel() : new cvstfjs.ClassificationModel();
  await model.loadModelAsync(fromFolder(folder));
  const answers = [];
  for (const { file, side } of pictures) {
    const data = new Uint8Array(fs.readFileSync(file));
    const shape = [1, side, side, 3];
    const picture = prepared
      ? tf.tensor(Float32Array.from(data), shape)
      : { data: withAlpha(data), width: side, height: side };
    // The synchronous call: it throws where an operation has to be waited for.
    const raw = prepared ? [model.model.execute(picture)].flat().map((tensor) => tensor.arraySync()) : null;
    answers.push({ raw, result: await model.executeAsync(picture) });
  }
  results.push({ inputs: model.model.inputs.map(({ name, shape }) => ({ name, shape })), answers });
  model.dispose();
}
console.log(JSON.stringify(results));

function withAlpha(rgb) {
  const pixels = new Uint8Array((rgb.length / 3) * 4).fill(255);
  rgb.forEach((value, index) => { pixels[Math.floor(index / 3) * 4 + (index % 3)] = value; });
  return pixels;
}
