/**
 * Clients of the two APIs, with the types of api_spec.
 *
 * Requests go to the origin of the page with its session cookie. Failures are thrown: `ApiError` for a response
 * with a status of failure, `ConnectionLost` where there is none or it breaks off, `UnexpectedResponse` for
 * something else than the emulator responds with.
 */
import createClient, { type Middleware } from "openapi-fetch";
import { noteServerTime } from "../lib/serverTime";
import { setConnection } from "./connection";
import { ConnectionLost, errorOf, UnexpectedResponse } from "./errors";
import type { paths as EmulatorPaths } from "./generated/emulator";
import type { components as TrainingTypes, paths as TrainingPaths } from "./generated/training";
import { isExpected } from "./outline";
import { PREFIX } from "./prefix";
import { noteEndOfSession } from "./session";

export type Schemas = TrainingTypes["schemas"];
export type { components as EmulatorTypes } from "./generated/emulator";

const failures: Middleware = {
  async onResponse({ request, response, schemaPath }) {
    // Faults that a test suite has set may answer anything; only the session itself ends the session.
    if (response.status === 401) await noteEndOfSession();
    else setConnection("online");
    noteServerTime(response);
    if (!response.ok) throw await errorOf(response);
    if (!isExpected(await response.clone().text(), request.method, schemaPath)) throw new UnexpectedResponse();
    return response;
  },
  onError({ error }) {
    if (error instanceof DOMException && error.name === "AbortError") return error;
    setConnection("lost");
    return new ConnectionLost();
  },
};

/** The emulator carries out a change with the same id once, and responds to the others as to the first. */
const ID_HEADER = "X-Emulator-Request-Id";
const MOST_ATTEMPTS = 3;
const PAUSE_MS = 300;
const ID_BYTES = 16;

/**
 * The response with its whole body. A change whose response does not arrive is requested again: it is not made
 * twice. Rejects as `fetch` does, also when the body breaks off.
 */
async function wholeResponse(request: Request): Promise<Response> {
  const isChange = request.method !== "GET";
  if (isChange) request.headers.set(ID_HEADER, newId());
  for (let attempt = 1; ; attempt++) {
    const isLast = !isChange || attempt === MOST_ATTEMPTS;
    try {
      const response = await fetch(isLast ? request : request.clone());
      const content = await response.text();
      const { status, statusText, headers } = response;
      return new Response(content === "" ? null : content, { status, statusText, headers });
    } catch (error) {
      if (isLast || request.signal.aborted) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

/** Not `randomUUID`, which pages have only over HTTPS and on this machine. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(ID_BYTES));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const options = {
  fetch: wholeResponse,
  // Arrays in a query are comma-separated, as in the service.
  querySerializer: { array: { style: "form", explode: false } },
  headers: { "X-Emulator-Client": "portal" },
} as const;

/** The public training API, version 3.4-preview. */
export const training = createClient<TrainingPaths>({ baseUrl: `${PREFIX}/customvision/v3.4-preview/training`, ...options });
/** The control API of the emulator. */
export const emulator = createClient<EmulatorPaths>({ baseUrl: PREFIX, ...options });

training.use(failures);
emulator.use(failures);

/** The body of a response. Rejects where there is none. */
export async function body<Data>(call: Promise<{ data?: Data }>): Promise<Data> {
  const { data } = await call;
  if (data == null) throw new UnexpectedResponse();
  return data;
}

/**
 * An address on the origin of the page. The server signs addresses for its public URL, which may differ from
 * the one that the browser uses; the path is all that counts.
 */
export function localUri(uri: string): string {
  const { pathname, search } = new URL(uri, window.location.href);
  return PREFIX + pathname + search;
}
