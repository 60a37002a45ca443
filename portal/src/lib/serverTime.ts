/**
 * The time of the server, by the header Date of its responses: the clock of the browser's machine may be wrong.
 */
let offset = 0;

/** Note the time of a response that has just arrived. Its header counts in seconds. */
export function noteServerTime(response: Response): void {
  const sentAt = Date.parse(response.headers.get("Date") ?? "");
  // Within the accuracy of the header, the clocks agree.
  if (Number.isFinite(sentAt)) offset = Math.abs(sentAt - Date.now()) < 2_000 ? 0 : sentAt - Date.now();
}

/** Now, in milliseconds of the server's clock. */
export function serverNow(): number {
  return Date.now() + offset;
}
