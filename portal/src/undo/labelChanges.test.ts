import { beforeEach, expect, it, vi } from "vitest";
import type { Applied } from "../api/bulk/apply";
import { tagging, type LabelChange, type Target } from "../api/bulk/labels";
import { ApiError, Problem } from "../api/errors";
import { History } from "./history";
import { labelChange } from "./labelChanges";

const { applyChanges, show } = vi.hoisted(() => ({
  applyChanges: vi.fn<(project: string, changes: LabelChange[]) => Promise<Applied>>(),
  show: vi.fn<(shown: { title?: string; message: string }) => void>(),
}));
vi.mock("../api/bulk/apply", () => ({ applyChanges }));
vi.mock("@mantine/notifications", () => ({ notifications: { show } }));

const IMAGES: Target[] = ["1", "2", "3"].map((id) => ({ id, tagIds: [], regions: [] }));

function change(targets = () => Promise.resolve(IMAGES)) {
  return labelChange("project", {
    targets,
    plan: (found) => tagging(found, "cat", { isMulticlass: false, negative: new Set() }),
    task: "Tagging images",
    label: (images) => `Tagged ${images}`,
    nothing: "Nothing to do.",
  });
}

/** The next request changes the first `amount` images. */
function makes(amount: number, rest: Partial<Applied> = {}) {
  applyChanges.mockImplementationOnce((_, changes) => Promise.resolve({ made: changes.slice(0, amount), exceeded: 0, ...rest }));
}

const imagesOfLastCall = () => applyChanges.mock.lastCall?.[1].map((each) => each.imageId);

beforeEach(() => vi.resetAllMocks());

it("undoes and repeats what was made", async () => {
  const tagged = change();
  makes(3);
  await tagged.redo();
  expect(tagged.label).toBe("Tagged 3 images");
  makes(3);
  await tagged.undo();
  expect(applyChanges.mock.lastCall?.[1].map(({ before, after }) => [before, after])).toEqual([0, 1, 2].map(() => [["cat"], []]));
  makes(3);
  await tagged.redo();
  expect(applyChanges.mock.lastCall?.[1].map((each) => each.after)).toEqual([["cat"], ["cat"], ["cat"]]);
  expect(show).not.toHaveBeenCalled();
});

it("reports a part, with the reason, and undoes just that part", async () => {
  const tagged = change();
  makes(2, { failure: new ApiError(507, "", "") });
  await tagged.redo();
  expect(tagged.label).toBe("Tagged 2 images");
  expect(show.mock.lastCall?.[0]).toMatchObject({ title: "Done for 2 of 3 images" });
  expect(show.mock.lastCall?.[0].message).toContain("disk");
  makes(2);
  await tagged.undo();
  expect(imagesOfLastCall()).toEqual(["1", "2"]);
});

it("keeps what an undo left, for the next undo, and repeats all of it", async () => {
  const history = new History();
  makes(3);
  await history.run(change());
  makes(1, { failure: new ApiError(500, "", "") });
  await expect(history.undo()).rejects.toThrow(/^1 of 3 images are undone\. .*log\. Undo again/);
  makes(1);
  await expect(history.undo()).rejects.toThrow("2 of 3 images are undone. Cancelled.");
  expect(imagesOfLastCall()).toEqual(["2", "3"]);
  makes(1);
  await history.undo();
  expect(imagesOfLastCall()).toEqual(["3"]);
  expect(history.undoable).toBeUndefined();
  makes(3);
  await history.redo();
  expect(imagesOfLastCall()).toEqual(["1", "2", "3"]);
  expect(applyChanges.mock.lastCall?.[1].map((each) => each.after)).toEqual([["cat"], ["cat"], ["cat"]]);
  makes(3);
  await history.undo();
  expect(imagesOfLastCall()).toEqual(["1", "2", "3"]);
});

it("says how many images got no further tag", async () => {
  makes(3, { exceeded: 1 });
  await change().redo();
  expect(show.mock.lastCall?.[0].message).toContain("1 image had the most tags");
});

it("fails where nothing was made", async () => {
  const failure = new Error("The emulator does not respond.");
  makes(0, { failure });
  await expect(change().redo()).rejects.toBe(failure);
  await expect(change(() => Promise.resolve([])).redo()).rejects.toThrow("Nothing to do.");
  makes(0);
  await expect(change().redo()).rejects.toThrow("Cancelled before anything was changed.");
  expect(show).not.toHaveBeenCalled();
});

it("changes nothing on an undo that fails, so that it can be repeated", async () => {
  const tagged = change();
  makes(3);
  await tagged.redo();
  makes(0, { failure: new Problem("lost") });
  await expect(tagged.undo()).rejects.toThrow("lost");
  makes(3);
  await tagged.undo();
  expect(applyChanges.mock.lastCall?.[1]).toHaveLength(3);
});
