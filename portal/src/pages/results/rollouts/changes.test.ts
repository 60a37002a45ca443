import { beforeEach, expect, it, vi } from "vitest";
import type { PublishedName, Rollout } from "../../../api/queries/rollouts";
import { GoneForGood } from "../../../undo/history";
import { changing, runningOf, shareText, starting } from "./changes";

const calls = vi.hoisted(() => ({
  fetchNames: vi.fn<() => Promise<PublishedName[]>>(),
  startRollout: vi.fn(),
  changeRollout: vi.fn(),
  goBack: vi.fn(),
}));
vi.mock("../../../api/queries/rollouts", () => calls);

const rollout = (status = "Running", candidate = "second") =>
  ({ status, percent: 10, candidate: { iterationId: candidate } }) as unknown as Rollout;
const live = (of: Rollout | null) => ({ publishName: "live", rollout: of }) as unknown as PublishedName;

beforeEach(() => vi.resetAllMocks());

it("says what the candidate answers", () => {
  expect(shareText({ percent: null })).toBe("shadow mode");
  expect(shareText({ percent: 0.5 })).toBe("0.5% of the requests");
});

it("knows running roll-outs from ended ones", () => {
  expect(runningOf(live(rollout()))?.percent).toBe(10);
  expect(runningOf(live(rollout("TakenBack")))).toBeUndefined();
  expect(runningOf(live(null))).toBeUndefined();
  expect(runningOf(undefined)).toBeUndefined();
});

it("takes a start back", async () => {
  const change = starting("project", "live", { id: "second", name: "Iteration 2" }, { percent: null });
  await change.redo();
  expect(calls.startRollout).toHaveBeenCalledWith("project", "live", "second", { percent: null });
  calls.fetchNames.mockResolvedValue([live(rollout())]);
  await change.undo();
  expect(calls.goBack).toHaveBeenCalledWith("project", "live", "second");
});

it.each([rollout("Finished"), rollout("Running", "third"), null])("takes no start back whose roll-out has ended", async (now) => {
  const change = starting("project", "live", { id: "second", name: "Iteration 2" }, { percent: null });
  calls.fetchNames.mockResolvedValue([live(now)]);
  await expect(change.undo()).rejects.toThrow(GoneForGood);
  expect(calls.goBack).not.toHaveBeenCalled();
});

it("returns to the percentage before", async () => {
  const change = changing("project", "live", rollout(), { percent: 50 });
  calls.fetchNames.mockResolvedValue([live(rollout())]);
  await change.redo();
  expect(calls.changeRollout).toHaveBeenLastCalledWith("project", "live", { percent: 50 });
  await change.undo();
  expect(calls.changeRollout).toHaveBeenLastCalledWith("project", "live", { percent: 10 });
});
