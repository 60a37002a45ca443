/** One upload: its batches, their requests, and what became of each file. */
import { inParallel, persistently, aborting } from "../api/bulk/batches";
import { body, training, type Schemas } from "../api/client";
import { ApiError, inWords } from "../api/errors";
import { fetchImages } from "../api/queries/images";
import { ALL_IMAGES } from "../lib/imageFilter";
import { contentOf } from "./content";
import { planBatches, type Item } from "./plan";
import { duplicate, isPassing, refusal, refusalOfBatch } from "./statuses";

export interface UploadFile {
  file: Blob;
  /** Its path, for people. */
  name: string;
  /** Names of its tags, which are created where they do not exist. */
  tags: readonly string[];
  /** To be made a smaller JPEG in the browser. */
  scale: boolean;
}

/** A file whose tags exist. */
export interface TaggedFile extends UploadFile {
  tagIds: readonly string[];
}

export type Outcome = "duplicate" | "refused" | "not sent";

/** What became of a file that was not simply uploaded. */
export interface Finding {
  file: UploadFile;
  outcome: Outcome;
  reason: string;
  /** Another attempt can succeed. */
  canRetry: boolean;
}

interface UploadEvents {
  signal: AbortSignal;
  isMulticlass: boolean;
  nameOfTag: (tagId: string) => string;
  onUploaded: (files: number) => void;
  onFindings: (findings: Finding[]) => void;
}

const PARALLEL = 3;

/**
 * Send the files. Rejects when nothing more can be sent (the project was deleted, the disk is full): all files
 * without another result are findings then.
 */
export async function upload(projectId: string, files: readonly TaggedFile[], events: UploadEvents): Promise<void> {
  const run = new Run(projectId, events, await newest(projectId, events.signal));
  const items = files.map((file, index) => ({ index, file, size: file.scale ? 0 : file.file.size, tagIds: file.tagIds }));
  // Images to be scaled are large: few in a batch, since all of it is in memory.
  const plain = planBatches(items.filter((item) => !item.file.scale));
  const scaled = planBatches(items.filter((item) => item.file.scale), { images: 4, bytes: Infinity });
  // The first of equal images decides on the only tag, so that batches of different tags must follow each other.
  try {
    await inParallel([...plain, ...scaled], events.isMulticlass ? 1 : PARALLEL, (batch) => run.send(batch));
  } catch (error) {
    const left = files.filter((file) => !run.handled.has(file));
    if (!events.signal.aborted) events.onFindings(notSent(left, error));
    throw error;
  }
}

/** Findings of files that were not sent because of a failure. */
export function notSent(files: readonly UploadFile[], failure: unknown): Finding[] {
  const canRetry = !(failure instanceof ApiError && failure.status === 404);
  return files.map((file) => ({ file, outcome: "not sent", reason: "The upload stopped before this file.", canRetry }));
}

interface Sent extends Item {
  file: TaggedFile;
}

class Run {
  /** Files that were uploaded or have a finding. */
  readonly handled = new Set<UploadFile>();
  /** Images that were counted as uploaded: after an interrupted request they come back as duplicates. */
  readonly #own = new Set<string>();

  constructor(
    readonly projectId: string,
    readonly events: UploadEvents,
    /** When the newest image of the project was created, before the upload. */
    readonly before: string,
  ) {}

  async send(batch: readonly Sent[]): Promise<void> {
    const { signal } = this.events;
    signal.throwIfAborted();
    const ready: { sent: Sent; blob: Blob }[] = [];
    const unreadable: Finding[] = [];
    for (const sent of batch) {
      try {
        ready.push({ sent, blob: await contentOf(sent.file.file, sent.file.scale) });
      } catch (error) {
        unreadable.push({ file: sent.file, outcome: "refused", reason: inWords(error), canRetry: false });
      }
    }
    this.#found(unreadable);
    if (ready.length) await this.#request(ready);
  }

  async #request(ready: readonly { sent: Sent; blob: Blob }[]): Promise<void> {
    const { signal } = this.events;
    let attempts = 0;
    const tagIds = [...(ready[0]?.sent.tagIds ?? [])];
    try {
      const summary = await persistently(() => {
        attempts += 1;
        // Not aborted with the upload: the server may have stored the images, which are then counted.
        return body(
          training.POST("/projects/{projectId}/images", {
            params: { path: { projectId: this.projectId }, query: tagIds.length ? { tagIds } : {} },
            body: {},
            bodySerializer: () => form(ready.map(({ blob }) => blob)),
          }),
        );
      }, signal);
      this.#results(ready.map(({ sent }) => sent.file), summary.images, attempts > 1);
    } catch (error) {
      signal.throwIfAborted();
      await this.#failed(ready, error);
    }
  }

  #results(files: readonly UploadFile[], results: readonly Schemas["ImageCreateResult"][], repeated: boolean): void {
    const findings: Finding[] = [];
    let uploaded = 0;
    files.forEach((file, index) => {
      const result = results[index];
      const image = result?.image;
      const status = result?.status ?? "ErrorUnknown";
      const isOwn =
        status === "OK" || (repeated && image != null && image.created > this.before && !this.#own.has(image.id));
      if (image != null && isOwn) {
        this.handled.add(file);
        this.#own.add(image.id);
        uploaded += 1;
      } else if (status === "OKDuplicate") {
        const names = (image?.tags ?? []).map((tag) => this.events.nameOfTag(tag.tagId));
        findings.push({ file, outcome: "duplicate", reason: duplicate(names), canRetry: false });
      } else
        findings.push({
          file,
          outcome: "refused",
          reason: refusal(status, this.events.isMulticlass),
          canRetry: isPassing(status),
        });
    });
    if (uploaded) this.events.onUploaded(uploaded);
    this.#found(findings);
  }

  #found(findings: Finding[]): void {
    for (const { file } of findings) this.handled.add(file);
    if (findings.length) this.events.onFindings(findings);
  }

  async #failed(ready: readonly { sent: Sent; blob: Blob }[], error: unknown): Promise<void> {
    const refuseAll = (reason: string, canRetry: boolean) =>
      this.#found(ready.map(({ sent }) => ({ file: sent.file, outcome: "refused", reason, canRetry })));
    if (!(error instanceof ApiError)) throw error as Error;
    if (error.status === 404 || error.code === "BadRequestInvalidIds") throw error;
    if (error.status === 413 && ready.length > 1) {
      const middle = ready.length >> 1;
      await this.#request(ready.slice(0, middle));
      await this.#request(ready.slice(middle));
    } else {
      refuseAll(refusalOfBatch(error), error.status >= 500 || error.status === 429);
      if (error.status === 507) throw error;
    }
  }
}

/** A body with one part for each image; the place in the batch as its name. */
function form(blobs: readonly Blob[]): FormData {
  const data = new FormData();
  blobs.forEach((blob, index) => data.append("imageData", blob, String(index)));
  return data;
}

async function newest(projectId: string, signal: AbortSignal): Promise<string> {
  const [image] = await persistently(
    () => aborting(fetchImages(projectId, ALL_IMAGES, { skip: 0, take: 1 }, signal), signal),
    signal,
  );
  return image?.created ?? "";
}
