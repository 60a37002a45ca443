import { afterEach, expect, it } from "vitest";
import { noteServerTime, serverNow } from "./serverTime";

const at = (milliseconds: number) => new Response(null, { headers: { Date: new Date(milliseconds).toUTCString() } });

afterEach(() => noteServerTime(at(Date.now())));

it("follows the clock of the server where that of the browser is wrong", () => {
  const years = 26 * 365 * 24 * 3_600_000;
  noteServerTime(at(Date.now() + years));
  expect(Math.abs(serverNow() - Date.now() - years)).toBeLessThan(5_000);
});

it("keeps the finer clock of the browser where both agree", () => {
  noteServerTime(at(Date.now() - 900));
  expect(Math.abs(serverNow() - Date.now())).toBeLessThan(100);
});

it("ignores responses without a date", () => {
  noteServerTime(new Response());
  expect(Math.abs(serverNow() - Date.now())).toBeLessThan(100);
});
