import { beforeEach, expect, it, vi } from "vitest";
import type { Target } from "../../api/bulk/labels";
import type { Question } from "../../components/confirm";
import { ALL_IMAGES } from "../../lib/imageFilter";
import { targetsOfChosen } from "./chosen";
import { everything, without } from "./grid/selection";

const { allTargets } = vi.hoisted(() => ({ allTargets: vi.fn<() => Promise<Target[]>>() }));
vi.mock("../../api/bulk/apply", () => ({ allTargets, targetsOf: vi.fn() }));

const TASK = { signal: new AbortController().signal, progress: () => undefined };
const targets = (...ids: string[]): Target[] => ids.map((id) => ({ id, tagIds: [], regions: [] }));
const ask = vi.fn<(question: Question) => Promise<boolean>>();
const chosen = { selection: without(everything(3), ["a"]), filter: ALL_IMAGES };

beforeEach(() => vi.resetAllMocks());

it("asks for nothing where as many images match as were selected", async () => {
  allTargets.mockResolvedValue(targets("a", "b", "c"));
  expect(await targetsOfChosen("project", chosen, TASK, ask)).toEqual(targets("b", "c"));
  expect(ask).not.toHaveBeenCalled();
});

it("asks with both numbers where more match than were selected", async () => {
  allTargets.mockResolvedValue(targets("a", "b", "c", "d", "e"));
  ask.mockResolvedValueOnce(false).mockResolvedValueOnce(true);
  await expect(targetsOfChosen("project", chosen, TASK, ask)).rejects.toThrow("Nothing was changed");
  expect(ask.mock.lastCall?.[0].message).toContain("4 images would be changed now; 2 were selected");
  expect(await targetsOfChosen("project", chosen, TASK, ask)).toHaveLength(4);
});
