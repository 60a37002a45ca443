import { beforeEach, expect, it, vi } from "vitest";
import type { Iteration } from "../../../api/queries/iterations";
import { publication } from "./publication";

interface Sent {
  params: { path: { iterationId: string }; query: { publishName: string; predictionId: string; overwrite: boolean } };
}

const { GET, POST, DELETE } = vi.hoisted(() => ({
  GET: vi.fn<() => Promise<Iteration[]>>(),
  POST: vi.fn<(path: string, sent: Sent) => Promise<void>>(),
  DELETE: vi.fn<(path: string, sent: Sent) => Promise<void>>(),
}));
vi.mock("../../../api/client", () => ({ training: { GET, POST, DELETE }, body: (response: unknown) => response }));

const iteration = (id: string, publishName: string | null = null) =>
  ({ id, name: id, publishName, originalPublishResourceId: publishName && `resource of ${id}` }) as Iteration;

/** Which iteration took the name last, with which resource. */
const published = () => {
  const { path, query } = POST.mock.lastCall?.[1].params ?? {};
  return [path?.iterationId, query?.predictionId, query?.overwrite];
};

beforeEach(() => vi.resetAllMocks());

it("gives the name back to the iteration that had it when it was taken last", async () => {
  const change = publication("project", iteration("new"), { name: "live", resourceId: "mine", overwrite: true });
  GET.mockResolvedValueOnce([iteration("new"), iteration("first", "live")]);
  await change.redo();
  expect(published()).toEqual(["new", "mine", true]);
  await change.undo();
  expect(published()).toEqual(["first", "resource of first", true]);
  // Another window publishes a third iteration by the name.
  GET.mockResolvedValueOnce([iteration("new"), iteration("first"), iteration("third", "live")]);
  await change.redo();
  expect(published()).toEqual(["new", "mine", true]);
  await change.undo();
  expect(published()).toEqual(["third", "resource of third", true]);
});

it("withdraws a name that nobody had, also where one had it before", async () => {
  const change = publication("project", iteration("new"), { name: "live", resourceId: "mine", overwrite: true });
  GET.mockResolvedValueOnce([iteration("first", "live"), iteration("other", "elsewhere")]);
  await change.redo();
  await change.undo();
  GET.mockResolvedValueOnce([iteration("new"), iteration("other", "elsewhere")]);
  await change.redo();
  POST.mockClear();
  await change.undo();
  expect(POST).not.toHaveBeenCalled();
  expect(DELETE.mock.lastCall?.[1].params.path.iterationId).toBe("new");
});

it("takes a name from another iteration only where that was asked for", async () => {
  const change = publication("project", iteration("new"), { name: "live", resourceId: "mine", overwrite: false });
  GET.mockResolvedValueOnce([iteration("first", "live")]);
  POST.mockRejectedValueOnce(new Error("taken"));
  await expect(change.redo()).rejects.toThrow("taken");
  expect(published()).toEqual(["new", "mine", false]);
});
