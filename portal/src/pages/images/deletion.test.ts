import { beforeEach, expect, it, vi } from "vitest";
import type { Restored } from "../../api/bulk/restore";
import { ApiError } from "../../api/errors";
import { deletionOf } from "./deletion";

const { deleteImages, restoreImages } = vi.hoisted(() => ({
  deleteImages: vi.fn<(project: string, ids: string[]) => Promise<{ deleted: string[]; failure?: unknown }>>(),
  restoreImages: vi.fn<(project: string, ids: string[]) => Promise<Restored>>(),
}));
vi.mock("../../api/bulk/apply", () => ({ deleteImages }));
vi.mock("../../api/bulk/restore", () => ({ restoreImages }));
vi.mock("@mantine/notifications", () => ({ notifications: { show: vi.fn() } }));

const IMAGES = ["1", "2", "3"].map((id) => ({ id, tagIds: [], regions: [] }));

beforeEach(() => {
  vi.resetAllMocks();
  deleteImages.mockImplementation((_, ids) => Promise.resolve({ deleted: [...ids] }));
  restoreImages.mockImplementation((_, ids) => Promise.resolve({ restored: [...ids], lost: [], left: [] }));
});

it("brings back what an undo left with the next undo, and deletes all of it again", async () => {
  const change = deletionOf("project", () => Promise.resolve(IMAGES), vi.fn());
  await change.redo();
  expect(change.label).toBe("Deleted 3 images");
  restoreImages.mockResolvedValueOnce({ restored: ["1 again"], lost: [], left: ["2", "3"], failure: new ApiError(500, "", "") });
  await expect(change.undo()).rejects.toThrow("1 of 3 images are undone. The emulator failed");
  await change.undo();
  expect(restoreImages.mock.lastCall?.[1]).toEqual(["2", "3"]);
  await change.redo();
  expect(deleteImages.mock.lastCall?.[1]).toEqual(["1 again", "2", "3"]);
});

it("rejects where nothing can be brought back", async () => {
  const change = deletionOf("project", () => Promise.resolve(IMAGES), vi.fn());
  await change.redo();
  restoreImages.mockResolvedValueOnce({ restored: [], lost: ["1", "2", "3"], left: [] });
  await expect(change.undo()).rejects.toThrow("within an hour");
});
