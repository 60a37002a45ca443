/** The session of the browser: a cookie that scripts cannot read. */
import { setConnection } from "./connection";
import { ConnectionLost, errorOf, UnexpectedResponse } from "./errors";
import { PREFIX } from "./prefix";

interface Session {
  signedIn: boolean;
  /** Whether a key must be typed; false on loopback with the well-known keys. */
  keyRequired: boolean;
  /** The role of the key; null with full access. */
  role: string | null;
  /** The operations of the Training API that the role does not permit. */
  refused: readonly string[];
}

async function request(method: "GET" | "POST" | "DELETE", content?: object, signal?: AbortSignal): Promise<unknown> {
  const init: RequestInit = { method, cache: "no-store", signal: signal ?? null };
  if (content) {
    init.body = JSON.stringify(content);
    init.headers = { "Content-Type": "application/json" };
  }
  try {
    const response = await fetch(`${PREFIX}/portal/session`, init);
    if (!response.ok) throw await errorOf(response);
    const text = await response.text();
    return text === "" ? null : JSON.parse(text);
  } catch (error) {
    if (error instanceof TypeError) throw new ConnectionLost();
    throw error;
  }
}

/** The session as it is; signs in where no key is required. */
export async function currentSession(signal?: AbortSignal): Promise<Session> {
  const session = (await request("GET", undefined, signal)) as Partial<Session> | null;
  if (typeof session?.signedIn !== "boolean") throw new UnexpectedResponse();
  return {
    signedIn: session.signedIn,
    keyRequired: session.keyRequired ?? true,
    role: session.role ?? null,
    refused: session.refused ?? [],
  };
}

/** Sign in with a training key. Rejects with an ApiError of status 401 for a wrong one. */
export async function signIn(key: string): Promise<void> {
  await request("POST", { key });
  setConnection("online");
}

/** Note in the connection that the session has ended, if it has. */
export async function noteEndOfSession(): Promise<void> {
  try {
    if (!(await currentSession()).signedIn) setConnection("signedOut");
  } catch (error) {
    if (error instanceof ConnectionLost) setConnection("lost");
  }
}

export async function signOut(): Promise<void> {
  await request("DELETE");
  setConnection("signedOut");
}
