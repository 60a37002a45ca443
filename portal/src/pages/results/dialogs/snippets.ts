/** Addresses and programs that predict with a published iteration. */

export interface Target {
  /** Scheme and host of the emulator, without a slash at the end. */
  endpoint: string;
  projectId: string;
  publishName: string;
  predictionKey: string;
  isDetection: boolean;
  /** What the program sends: the bytes of a file, or the URL of an image. */
  source: "file" | "url";
  /** Whether the prediction is stored, to be taken over as a training image later. */
  stored: boolean;
}

export const LANGUAGES = ["curl", "Python", "JavaScript", "C#"] as const;
export type Language = (typeof LANGUAGES)[number];

const SAMPLE_FILE = "image.jpg";
const SAMPLE_URL = "https://example.com/image.jpg";

/** encodeURIComponent leaves characters that shells treat in their own way. */
function encoded(segment: string): string {
  return encodeURIComponent(segment).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** The address of the prediction operation. */
export function predictionUrl({ endpoint, projectId, publishName, isDetection, source, stored }: Target): string {
  const task = isDetection ? "detect" : "classify";
  const operation = source === "file" ? "image" : "url";
  const path = `${projectId}/${task}/iterations/${encoded(publishName)}/${operation}${stored ? "" : "/nostore"}`;
  return `${endpoint}/customvision/v3.1/prediction/${path}`;
}

export function contentType(source: Target["source"]): string {
  return source === "file" ? "application/octet-stream" : "application/json";
}

export function snippet(language: Language, target: Target): string {
  return PROGRAMS[language](target);
}

/** A literal of a text that is the same in Python, JavaScript and C#. */
const literal = (text: string) => JSON.stringify(text);

function curl(target: Target): string {
  const data = target.source === "file" ? `--data-binary @${SAMPLE_FILE}` : `--data '{"Url": "${SAMPLE_URL}"}'`;
  return `curl --request POST "${predictionUrl(target)}" \\
  --header "Prediction-Key: ${target.predictionKey}" \\
  --header "Content-Type: ${contentType(target.source)}" \\
  ${data}
`;
}

function python(target: Target): string {
  const method = [
    target.isDetection ? "detect" : "classify",
    "image",
    ...(target.source === "url" ? ["url"] : []),
    ...(target.stored ? [] : ["with_no_store"]),
  ].join("_");
  const place = `    ${literal(target.projectId)},\n    ${literal(target.publishName)},\n`;
  const call =
    target.source === "file"
      ? `with open(${literal(SAMPLE_FILE)}, "rb") as file:\n    image = file.read()\nresult = predictor.${method}(\n${place}    image,\n)`
      : `result = predictor.${method}(\n${place}    url=${literal(SAMPLE_URL)},\n)`;
  return `# pip install azure-cognitiveservices-vision-customvision
from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from msrest.authentication import ApiKeyCredentials

predictor = CustomVisionPredictionClient(
    ${literal(target.endpoint)},
    ApiKeyCredentials(in_headers={"Prediction-key": ${literal(target.predictionKey)}}),
)
${call}
for prediction in result.predictions:
    print(f"{prediction.tag_name}: {prediction.probability:.1%}"${target.isDetection ? ", prediction.bounding_box" : ""})
`;
}

/** The method of an SDK with names in camel case. */
function camelMethod(target: Target): string {
  const task = target.isDetection ? "detectImage" : "classifyImage";
  return `${task}${target.source === "url" ? "Url" : ""}${target.stored ? "" : "WithNoStore"}`;
}

function javascript(target: Target): string {
  const isFile = target.source === "file";
  return `// npm install @azure/cognitiveservices-customvision-prediction @azure/ms-rest-js
${isFile ? 'const { readFileSync } = require("node:fs");\n' : ""}const { PredictionAPIClient } = require("@azure/cognitiveservices-customvision-prediction");
const { ApiKeyCredentials } = require("@azure/ms-rest-js");

const predictor = new PredictionAPIClient(
  new ApiKeyCredentials({ inHeader: { "Prediction-key": ${literal(target.predictionKey)} } }),
  ${literal(target.endpoint)},
);
predictor
  .${camelMethod(target)}(
    ${literal(target.projectId)},
    ${literal(target.publishName)},
    ${isFile ? `readFileSync(${literal(SAMPLE_FILE)})` : `{ url: ${literal(SAMPLE_URL)} }`},
  )
  .then((result) => {
    for (const { tagName, probability${target.isDetection ? ", boundingBox" : ""} } of result.predictions)
      console.log(tagName, probability${target.isDetection ? ", boundingBox" : ""});
  });
`;
}

function csharp(target: Target): string {
  const isFile = target.source === "file";
  const method = camelMethod(target);
  const name = `${method[0]?.toUpperCase() ?? ""}${method.slice(1)}Async`;
  const argument = isFile ? "image" : `new ImageUrl(${literal(SAMPLE_URL)})`;
  return `// dotnet add package Microsoft.Azure.CognitiveServices.Vision.CustomVision.Prediction
using Microsoft.Azure.CognitiveServices.Vision.CustomVision.Prediction;
${isFile ? "" : "using Microsoft.Azure.CognitiveServices.Vision.CustomVision.Prediction.Models;\n"}
var predictor = new CustomVisionPredictionClient(
    new ApiKeyServiceClientCredentials(${literal(target.predictionKey)}))
{ Endpoint = ${literal(target.endpoint)} };
${isFile ? `using var image = System.IO.File.OpenRead(${literal(SAMPLE_FILE)});\n` : ""}var result = await predictor.${name}(
    new System.Guid(${literal(target.projectId)}),
    ${literal(target.publishName)},
    ${argument});
foreach (var prediction in result.Predictions)
    System.Console.WriteLine($"{prediction.TagName}: {prediction.Probability:P1}");
`;
}

const PROGRAMS: Record<Language, (target: Target) => string> = {
  curl,
  Python: python,
  JavaScript: javascript,
  "C#": csharp,
};
