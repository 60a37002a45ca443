// The main job through Microsoft's official JavaScript SDK, unchanged, against the endpoint in the
// environment.
//
// VISION_TRAINING_ENDPOINT, VISION_TRAINING_KEY, VISION_PREDICTION_ENDPOINT, VISION_PREDICTION_KEY and
// VISION_PREDICTION_RESOURCE_ID are those of Microsoft's quickstarts. IMAGES is a folder with a subfolder of
// photographs for each tag, and a subfolder "unseen" with one photograph for each, named after it. IMAGES_URL
// is where the same folder is served. Every answer is written to the file ANSWERS, a line of JSON each.

import assert from "node:assert/strict";
import { appendFileSync, createReadStream, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import prediction from "@azure/cognitiveservices-customvision-prediction";
import training from "@azure/cognitiveservices-customvision-training";
import msRest from "@azure/ms-rest-js";

const { PredictionAPIClient } = prediction;
const { TrainingAPIClient } = training;
const environment = process.env;
const images = environment.IMAGES;
const tagNames = readdirSync(images).filter((name) => name !== "unseen");
const publishedName = "from JavaScript";
const polls = { pauseMilliseconds: 50, most: 1200 };

class Recorder extends msRest.BaseRequestPolicy {
  async sendRequest(request) {
    const answer = await this._nextPolicy.sendRequest(request);
    const line = {
      method: request.method,
      url: request.url,
      status: answer.status,
      headers: Object.fromEntries(answer.headers.headersArray().map(({ name, value }) => [name, value])),
      body: answer.bodyAsText,
    };
    appendFileSync(environment.ANSWERS, JSON.stringify(line) + "\n");
    return answer;
  }
}

const options = {
  requestPolicyFactories: (usual) => [...usual, { create: (next, rest) => new Recorder(next, rest) }],
};

function trainingClient(key) {
  const credentials = new msRest.ApiKeyCredentials({ inHeader: { "Training-key": key } });
  return new TrainingAPIClient(credentials, environment.VISION_TRAINING_ENDPOINT, options);
}

function predictionClient(key) {
  const credentials = new msRest.ApiKeyCredentials({ inHeader: { "Prediction-key": key } });
  return new PredictionAPIClient(credentials, environment.VISION_PREDICTION_ENDPOINT, options);
}

const trainer = trainingClient(environment.VISION_TRAINING_KEY);
const predictor = predictionClient(environment.VISION_PREDICTION_KEY);

let step = 0;
function done(what) {
  step += 1;
  console.log(`${step}. ${what}`);
}

async function refusal(call) {
  try {
    await call();
  } catch (error) {
    return { status: error.statusCode, code: error.code, message: error.message };
  }
  return assert.fail("the call was not refused");
}

function unseen(tagName) {
  return readFileSync(join(images, "unseen", `${tagName}.jpg`));
}

// Projects and tags

const project = await trainer.createProject("JavaScript", { classificationType: "Multiclass" });
assert.match(project.id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
assert.equal(project.settings.classificationType, "Multiclass");
assert.ok(project.created instanceof Date && project.created <= project.lastModified);
assert.ok((await trainer.getProjects()).some(({ id }) => id === project.id));
const tags = {};
for (const name of tagNames) {
  tags[name] = await trainer.createTag(project.id, name);
  assert.equal(tags[name].name, name);
}
done("project and tags");

// Uploads: a stream and bytes, then files in a batch, then URLs

const files = Object.fromEntries(tagNames.map((name) => [name, readdirSync(join(images, name)).sort()]));
const [first, second] = tagNames;
const uploads = {
  stream: () => createReadStream(join(images, first, files[first][0])),
  bytes: readFileSync(join(images, second, files[second][0])),
};
for (const [name, body] of [[first, uploads.stream], [second, uploads.bytes]]) {
  const summary = await trainer.createImagesFromData(project.id, body, { tagIds: [tags[name].id] });
  assert.deepEqual(summary.images.map(({ status }) => status), ["OK"]);
  assert.equal(summary.images[0].image.tags[0].tagId, tags[name].id);
}
done("uploads from data");

for (const name of tagNames) {
  const batch = {
    images: files[name].slice(1, 4).map((file) => ({
      name: file,
      contents: readFileSync(join(images, name, file)),
      tagIds: [tags[name].id],
    })),
  };
  const summary = await trainer.createImagesFromFiles(project.id, batch);
  assert.equal(summary.isBatchSuccessful, true);
  assert.deepEqual(summary.images.map(({ sourceUrl }) => sourceUrl), files[name].slice(1, 4));
  const again = await trainer.createImagesFromFiles(project.id, batch);
  assert.equal(again._response.status, 207);
  assert.deepEqual([...new Set(again.images.map(({ status }) => status))], ["OKDuplicate"]);
}
done("uploads from files, and of the same files again");

for (const name of tagNames) {
  const summary = await trainer.createImagesFromUrls(project.id, {
    images: files[name].slice(4).map((file) => ({ url: `${environment.IMAGES_URL}/${name}/${file}` })),
    tagIds: [tags[name].id],
  });
  assert.equal(summary.isBatchSuccessful, true);
}
done("uploads from URLs");

// Lists, counts, tags on images

const total = tagNames.reduce((sum, name) => sum + files[name].length, 0);
assert.equal((await trainer.getImageCount(project.id)).body, total);
assert.equal((await trainer.getTaggedImageCount(project.id)).body, total);
assert.equal((await trainer.getUntaggedImageCount(project.id)).body, 0);
const newest = await trainer.getTaggedImages(project.id, { take: 3, skip: 1, orderBy: "Newest" });
const oldest = await trainer.getTaggedImages(project.id, { take: 3, skip: total - 4, orderBy: "Oldest" });
assert.deepEqual(newest.map(({ id }) => id), oldest.map(({ id }) => id).reverse());
const byIds = await trainer.getImagesByIds(project.id, { imageIds: newest.map(({ id }) => id) });
assert.equal(byIds.length, 3);
const ofTag = await trainer.getImages(project.id, { tagIds: [tags[first].id], taggingStatus: "Tagged" });
assert.equal(ofTag.length, files[first].length);
assert.deepEqual([...new Set(ofTag.map((image) => image.tags[0].tagName))], [first]);

const [image] = ofTag;
await trainer.deleteImageTags(project.id, [image.id], [tags[first].id]);
assert.deepEqual((await trainer.getUntaggedImages(project.id)).map(({ id }) => id), [image.id]);
const tagged = await trainer.createImageTags(project.id, {
  tags: [{ imageId: image.id, tagId: tags[first].id }],
});
assert.deepEqual(tagged.created, [{ imageId: image.id, tagId: tags[first].id }]);
assert.equal((await trainer.getTag(project.id, tags[first].id)).imageCount, files[first].length);

const thumbnail = await fetch(image.thumbnailUri);
assert.deepEqual([thumbnail.status, thumbnail.headers.get("content-type")], [200, "image/jpeg"]);
done("lists, counts, tags on images, an image fetched by its URI");

// Training and performance

let iteration = await trainer.trainProject(project.id);
assert.equal(iteration.status, "Training");
for (let poll = 0; iteration.status === "Training"; poll += 1) {
  assert.ok(poll < polls.most, "the training did not end in time");
  await pause(polls.pauseMilliseconds);
  iteration = await trainer.getIteration(project.id, iteration.id);
}
assert.equal(iteration.status, "Completed");
assert.equal(iteration.name, "Iteration 1");
assert.ok(iteration.trainedAt instanceof Date);
assert.deepEqual((await trainer.getIterations(project.id)).map(({ id }) => id), [iteration.id]);
assert.deepEqual(await refusal(() => trainer.trainProject(project.id)), {
  status: 400,
  code: "BadRequestTrainingNotNeeded",
  message: "Nothing changed since last training",
});

const performance = await trainer.getIterationPerformance(project.id, iteration.id, { threshold: 0.5 });
assert.equal(performance.precision, 1);
assert.deepEqual(performance.perTagPerformance.map(({ name }) => name).sort(), [...tagNames].sort());
const evaluated = await trainer.getImagePerformances(project.id, iteration.id);
assert.equal((await trainer.getImagePerformanceCount(project.id, iteration.id)).body, evaluated.length);
assert.ok(evaluated.every(({ predictions, tags: [tag] }) => predictions[0].tagName === tag.tagName));
done("training and performance");

// Publishing and predicting

const resourceId = environment.VISION_PREDICTION_RESOURCE_ID;
const published = await trainer.publishIteration(project.id, iteration.id, publishedName, resourceId);
assert.equal(published.body, true);
assert.equal((await trainer.getIteration(project.id, iteration.id)).publishName, publishedName);

for (const name of tagNames) {
  const url = { url: `${environment.IMAGES_URL}/unseen/${name}.jpg` };
  const results = [
    await predictor.classifyImage(project.id, publishedName, unseen(name)),
    await predictor.classifyImageWithNoStore(project.id, publishedName, unseen(name)),
    await predictor.classifyImageUrl(project.id, publishedName, url),
    await predictor.classifyImageUrlWithNoStore(project.id, publishedName, url),
    await trainer.quickTestImage(project.id, unseen(name), { iterationId: iteration.id, store: false }),
    await trainer.quickTestImageUrl(project.id, url, { iterationId: iteration.id, store: false }),
  ];
  for (const result of results) {
    assert.equal(result.iteration, iteration.id);
    assert.deepEqual(result.predictions, results[0].predictions);
    const [best] = result.predictions;
    assert.equal(best.tagName, name);
    assert.ok(best.probability > 0.9, `${name}: ${best.probability}`);
  }
}
done("predictions and quick tests");

// Errors

assert.deepEqual(await refusal(() => predictor.classifyImage(project.id, "nobody", unseen(first))), {
  status: 404,
  code: "NotFoundIteration",
  message: "Invalid iteration",
});
const text = Buffer.from("no image");
const noImage = await refusal(() => predictor.classifyImage(project.id, publishedName, text));
assert.deepEqual([noImage.status, noImage.code], [400, "BadRequestImageFormat"]);
const again = () => trainer.publishIteration(project.id, iteration.id, publishedName, resourceId);
assert.equal((await refusal(again)).message, `Iteration is already published as: ${publishedName}`);
for (const denied of [
  () => trainingClient("wrong").getProjects(),
  () => predictionClient("wrong").classifyImage(project.id, publishedName, unseen(first)),
]) {
  const { status, code, message } = await refusal(denied);
  assert.deepEqual([status, code], [401, "401"]);
  assert.match(message, /^Access denied due to invalid subscription key or wrong API endpoint\./);
}
done("errors");

// The end of everything

assert.equal((await trainer.updateIteration(project.id, iteration.id, { name: "renamed" })).name, "renamed");
await trainer.unpublishIteration(project.id, iteration.id);
await trainer.deleteImages(project.id, { imageIds: [image.id] });
assert.equal((await trainer.getImageCount(project.id)).body, total - 1);
const frozen = await trainer.getImageCount(project.id, { iterationId: iteration.id });
assert.equal(frozen.body, total);
await trainer.deleteIteration(project.id, iteration.id);
await trainer.deleteTag(project.id, tags[second].id);
await trainer.deleteProject(project.id);
assert.equal((await refusal(() => trainer.getProject(project.id))).code, "NotFoundProject");
done("renamed, unpublished, deleted");
