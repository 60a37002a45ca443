import { beforeEach, expect, it, vi } from "vitest";
import type { Applied } from "../../../api/bulk/apply";
import type { LabelChange, Target } from "../../../api/bulk/labels";
import { Problem } from "../../../api/errors";
import type { Tag } from "../../../api/queries/tags";
import { mergeOf } from "./merging";

const { applyChanges, restoreTag, remove } = vi.hoisted(() => ({
  applyChanges: vi.fn<(project: string, changes: LabelChange[]) => Promise<Applied>>(),
  restoreTag: vi.fn<(project: string, id: string) => Promise<string>>(),
  remove: vi.fn<(path: string, options: { params: { path: { tagId: string } } }) => Promise<void>>(),
}));
vi.mock("../../../api/bulk/apply", () => ({ applyChanges }));
vi.mock("../../../api/bulk/restore", () => ({ restoreTag }));
vi.mock("../../../api/client", () => ({ training: { DELETE: remove } }));
vi.mock("@mantine/notifications", () => ({ notifications: { show: vi.fn() } }));

const AUTO = { id: "auto", name: "auto" } as Tag;
const CAR = { id: "car", name: "car" } as Tag;
const BOX = { left: 0, top: 0, width: 0.5, height: 0.5 };
const imagesOf = vi.fn<(tagId: string) => Promise<Target[]>>();
const before = (tagId: string): Target[] => ["1", "2"].map((id) => ({ id, tagIds: [tagId], regions: [{ tagId, ...BOX }] }));
const applied = (at: number) => applyChanges.mock.calls.at(at)?.[1] ?? [];

beforeEach(() => {
  vi.resetAllMocks();
  imagesOf.mockImplementation((tagId) => Promise.resolve(before(tagId)));
  applyChanges.mockImplementation((_, changes) => Promise.resolve({ made: changes, exceeded: 0 }));
});

it("is undone with the id that the restored tag has, and can be done again", async () => {
  const merge = mergeOf("project", AUTO, CAR, imagesOf);
  await merge.redo();
  expect(applied(-1).map((each) => each.after)).toEqual([["car"], ["car"]]);
  expect(remove.mock.lastCall?.[1].params.path.tagId).toBe("auto");
  restoreTag.mockResolvedValue("auto again");
  await merge.undo();
  expect(applied(-1).map(({ before, after, boxes }) => ({ before, after, boxes }))).toEqual(
    [0, 1].map(() => ({ before: ["car"], after: ["auto again"], boxes: [{ tagId: "auto again", ...BOX }] })),
  );
  await merge.redo();
  expect(imagesOf.mock.lastCall?.[0]).toBe("auto again");
  expect(remove.mock.lastCall?.[1].params.path.tagId).toBe("auto again");
});

it("keeps the tag where only a part was changed, and undoes that part", async () => {
  applyChanges.mockImplementationOnce((_, changes) =>
    Promise.resolve({ made: changes.slice(0, 1), exceeded: 0, failure: new Problem("lost") }),
  );
  const merge = mergeOf("project", AUTO, CAR, imagesOf);
  await merge.redo();
  expect(merge.label).toContain("on 1 image");
  expect(remove).not.toHaveBeenCalled();
  await merge.undo();
  expect(restoreTag).not.toHaveBeenCalled();
  expect(applied(-1).map((each) => each.imageId)).toEqual(["1"]);
});

it("restores the tag once, when an undo is repeated", async () => {
  const merge = mergeOf("project", AUTO, CAR, imagesOf);
  await merge.redo();
  restoreTag.mockResolvedValue("auto");
  applyChanges.mockResolvedValueOnce({ made: [], exceeded: 0, failure: new Problem("lost") });
  await expect(merge.undo()).rejects.toThrow("lost");
  applyChanges.mockImplementationOnce((_, changes) =>
    Promise.resolve({ made: changes.slice(0, 1), exceeded: 0, failure: new Problem("lost") }),
  );
  await expect(merge.undo()).rejects.toThrow("1 of 2 images are undone");
  await merge.undo();
  expect(restoreTag).toHaveBeenCalledTimes(1);
  expect(applied(-1).map((each) => each.imageId)).toEqual(["2"]);
});

it("deletes a tag without images", async () => {
  imagesOf.mockResolvedValue([]);
  await mergeOf("project", AUTO, CAR, imagesOf).redo();
  expect(remove).toHaveBeenCalled();
});
