import { beforeEach, expect, it, vi } from "vitest";
import { body, training } from "./client";
import { connection, setConnection } from "./connection";
import { ConnectionLost, UnexpectedResponse } from "./errors";

const fetched = vi.fn<(request: Request) => Promise<Response>>();
const project = { id: "1", name: "new", description: "" };

const create = () => body(training.POST("/projects", { params: { query: { name: "new" } } }));
const list = () => body(training.GET("/projects"));
const json = (content: unknown) => new Response(JSON.stringify(content));

/** A response whose body breaks off, as when the server ends while it sends it. */
const brokenOff = () =>
  new Response(new ReadableStream({ pull: (controller) => controller.error(new TypeError("network error")) }));

beforeEach(() => {
  fetched.mockReset();
  vi.stubGlobal("fetch", fetched);
  vi.stubGlobal("window", { location: { href: "http://localhost/portal/" } });
  setConnection("online");
});

it("takes a response that breaks off for a lost connection", async () => {
  fetched.mockResolvedValue(brokenOff());
  await expect(list()).rejects.toBeInstanceOf(ConnectionLost);
  expect(connection()).toBe("lost");
  expect(fetched).toHaveBeenCalledTimes(1);
});

it("requests a change again with the same id, also where its response broke off", async () => {
  fetched.mockResolvedValueOnce(brokenOff()).mockRejectedValueOnce(new TypeError("Failed to fetch"));
  fetched.mockResolvedValueOnce(json(project));
  expect(await create()).toEqual(project);
  const ids = fetched.mock.calls.map(([request]) => request.headers.get("X-Emulator-Request-Id"));
  expect(ids[0]).toMatch(/^[0-9a-f]{32}$/);
  expect(new Set(ids).size).toBe(1);
  fetched.mockResolvedValueOnce(json(project));
  await create();
  expect(fetched.mock.lastCall?.[0].headers.get("X-Emulator-Request-Id")).not.toBe(ids[0]);
  expect(connection()).toBe("online");
});

it.each(["<!doctype html>", "", "null", "{}"])("refuses %j where a list is expected", async (text) => {
  fetched.mockResolvedValue(new Response(text));
  await expect(list()).rejects.toBeInstanceOf(UnexpectedResponse);
});

it.each(["<!doctype html>", "", "null", "[]", "{}"])("refuses %j where a project is expected", async (text) => {
  fetched.mockResolvedValue(new Response(text));
  await expect(create()).rejects.toBeInstanceOf(UnexpectedResponse);
});

it("accepts an empty response to a deletion", async () => {
  fetched.mockResolvedValue(new Response(null, { status: 204 }));
  await training.DELETE("/projects/{projectId}", { params: { path: { projectId: "1" } } });
});
