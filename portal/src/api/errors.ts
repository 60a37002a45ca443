/** Failures of requests, and the sentences that a person reads about them. */
import { UNREADABLE } from "../lib/imageFiles";

/** A response with a status of failure. `code` and `message` are those of the service's error body. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** Seconds to wait, of the header Retry-After. */
    readonly retryAfter: number | null = null,
    /** The whole body, where it was JSON. */
    readonly body: unknown = null,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

/** Whether what was asked for does not exist: 404, or 400 for an id that is none. */
export function isMissing(error: unknown): boolean {
  return error instanceof ApiError && [400, 404].includes(error.status);
}

/** There was no response, or it broke off: the server is not running, or the network is gone. */
export class ConnectionLost extends Error {
  constructor() {
    super("The emulator does not respond.");
    this.name = "ConnectionLost";
  }
}

/** A failure that the portal itself explains: the message is for people. */
export class Problem extends Error {
  constructor(message: string) {
    super(message);
    this.name = "Problem";
  }
}

/** A response with a status of success that the emulator does not give. */
export class UnexpectedResponse extends Problem {
  constructor() {
    super("The response is not one of the emulator: perhaps a proxy is in between, or another version runs now. Load the page again.");
    this.name = "UnexpectedResponse";
  }
}

/** A file of the portal did not come, so that a page cannot be shown until the portal is loaded again. */
export class PartNotLoaded extends Problem {
  constructor(override readonly cause: unknown) {
    super("This part of the portal could not be loaded: the emulator does not respond, or another version runs now.");
    this.name = "PartNotLoaded";
  }
}

const WORDS: Record<number, string> = {
  401: "The session has ended. Sign in again; nothing was lost.",
  403: "This session has no permission for that.",
  404: "It does not exist any more. It was perhaps deleted in another window.",
  413: "That is too large for one request.",
  429: "Too many requests at once.",
  500: "The emulator failed to handle the request. The details are in its log.",
  503: "The emulator is busy or shutting down.",
  507: "The disk of the emulator is full. Nothing was changed; free some space and try again.",
};
/** Codes of the service whose messages help programs more than people. */
const WORDS_OF_CODES: Record<string, string> = {
  BadRequestImageFormat: UNREADABLE,
  BadRequestImageSizeBytes: "The image is too large.",
  NotFoundProject: "The project does not exist any more. It was perhaps deleted in another window.",
  NotFoundIteration: "The iteration does not exist any more. It was perhaps deleted in another window.",
  NotFoundImage: "The image does not exist any more. It was perhaps deleted in another window.",
  NotFoundTag: "The tag does not exist any more. It was perhaps deleted in another window.",
};
/** Codes whose messages say more, after a sentence that says what it is about. */
const BEFORE_MESSAGE: Record<string, string> = {
  BadRequestImageUrl: "No image could be read at this address.",
  BadRequestInvalidImageUrl: "No image could be read at this address.",
};
const OWN_WORDS = new Set([401, 500, 503, 507]);

const logged = new WeakSet();

/** What is said about an error that nobody expected. Its text is for programmers: it is in the console. */
function ofUnknown(error: unknown): string {
  if (error instanceof Error && !logged.has(error)) {
    logged.add(error);
    console.error(error); // eslint-disable-line no-console -- for those who report it
  }
  return "The portal failed here. Try again, or load the page again. The details are in the console of the browser.";
}

/** One or two sentences on what went wrong, for people. Texts of JavaScript are not among them. */
export function inWords(error: unknown): string {
  if (error instanceof ConnectionLost) return "The emulator does not respond. It is tried again.";
  if (error instanceof Problem) return error.message;
  if (error instanceof SyntaxError) return new UnexpectedResponse().message; // no JSON
  if (error instanceof DOMException && error.name === "AbortError") return "It was cancelled.";
  if (!(error instanceof ApiError)) return ofUnknown(error);
  const words = WORDS[error.status];
  if (error.status === 429 && error.retryAfter != null)
    return `Too many requests at once. Try again in ${error.retryAfter} s.`;
  const ofCode = WORDS_OF_CODES[error.code];
  if (ofCode) return ofCode;
  const before = BEFORE_MESSAGE[error.code];
  if (before) return [before, error.message].filter(Boolean).join(" ");
  if (words && (OWN_WORDS.has(error.status) || !error.message)) return words;
  return error.message || `The emulator answered with status ${error.status}.`;
}

/** The reason of a failed training or export without the error code that precedes it, which programs read. */
export function withoutCode(reason: string): string {
  return reason.replace(/^(?:BadRequest|Error|NotFound)[A-Za-z]*: /, "");
}

/** Whether trying the same request again can help. */
export function isTransient(error: unknown): boolean {
  return error instanceof ConnectionLost || (error instanceof ApiError && [408, 429, 502, 503, 504].includes(error.status));
}

interface ErrorBody {
  code?: unknown;
  message?: unknown;
  error?: ErrorBody | null;
}

/** The error of a response; the body is the service's own or that of the gateway. */
export async function errorOf(response: Response): Promise<ApiError> {
  let body: ErrorBody = {};
  try {
    const json: unknown = await response.json();
    if (typeof json === "object" && json !== null) body = json;
  } catch {
    // A proxy between may have written it.
  }
  const detail = typeof body.error === "object" && body.error !== null ? body.error : body;
  const text = (value: unknown) => (typeof value === "string" ? value : "");
  const seconds = Number(response.headers.get("Retry-After"));
  const retryAfter = response.headers.has("Retry-After") && Number.isFinite(seconds) ? seconds : null;
  return new ApiError(response.status, text(detail.code), text(detail.message), retryAfter, body);
}
