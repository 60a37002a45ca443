/** The images that were tested since the page was opened: a list that requests fill, two at a time. */
import { Problem } from "../../api/errors";
import { body, localUri, training, type Schemas } from "../../api/client";
import { persistently } from "../../api/bulk/batches";
import { MOST_BYTES, TOO_LARGE } from "../../lib/imageFiles";

type Prediction = Schemas["Prediction"];

/** Stored predictions that are searched for a new one. */
const LAST_STORED = 16;

export interface TestedImage {
  id: number;
  name: string;
  source: { file: File } | { url: string };
}

export interface Outcome {
  predictions: Prediction[];
  /** Id of the stored prediction. */
  id: string;
  /** Address of the stored image on this origin, of an image that was given by its URL. */
  imageUri?: string;
}

export interface TestOptions {
  projectId: string;
  iterationId: string;
  /** Keep the image among the predictions. */
  store: boolean;
}

/** Test an image. Rejects with an ApiError whose message says why it was refused. */
export async function test(image: TestedImage, options: TestOptions, signal: AbortSignal): Promise<Outcome> {
  const { projectId, iterationId, store } = options;
  const params = { path: { projectId }, query: { iterationId, store } };
  const { source } = image;
  if ("file" in source) {
    if (source.file.size === 0) throw new Problem("The file is empty.");
    if (source.file.size > MOST_BYTES) throw new Problem(TOO_LARGE);
  }
  const result = await persistently(
    () =>
      "url" in source
        ? body(training.POST("/projects/{projectId}/quicktest/url", { params, body: { url: source.url }, signal }))
        : body(
            training.POST("/projects/{projectId}/quicktest/image", {
              params,
              body: source.file as unknown as string,
              bodySerializer: (file) => file,
              headers: { "Content-Type": "application/octet-stream" },
              signal,
            }),
          ),
    signal,
  );
  const outcome = { predictions: result.predictions, id: result.id };
  return "url" in source && store ? { ...outcome, ...(await storedImage(options, result.id, signal)) } : outcome;
}

/** The address of the stored image of a prediction, among those that were stored last. */
async function storedImage({ projectId, iterationId }: TestOptions, id: string, signal: AbortSignal) {
  const query = { iterationId, orderBy: "Newest" as const, maxCount: LAST_STORED };
  const found = await body(
    training.POST("/projects/{projectId}/predictions/query", { params: { path: { projectId } }, body: query, signal }),
  ).catch(() => null); // the prediction is there without its image
  const stored = found?.results.find((each) => each.id === id);
  return stored && { imageUri: localUri(stored.originalImageUri) };
}

let lastId = 0;

export function newTest(source: TestedImage["source"]): TestedImage {
  const name = "url" in source ? source.url : source.file.name;
  return { id: ++lastId, name, source };
}
