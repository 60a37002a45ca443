import { expect, it } from "vitest";
import type { PublishedName } from "../../../api/queries/rollouts";
import { namesToTry } from "./names";

function name(publishName: string, iterationId: string | null, candidateId: string | null = null, status = "Running"): PublishedName {
  return {
    publishName,
    iteration: iterationId && { id: iterationId, name: `name of ${iterationId}` },
    formerIteration: null,
    rollout: candidateId && { status, candidate: { iterationId: candidateId } },
  } as unknown as PublishedName;
}

it("offers names of other iterations without a running roll-out", () => {
  const names = [name("free", "a"), name("busy", "b", "c"), name("ended", "d", "e", "Finished"), name("unpublished", null), name("own", "x")];
  expect(namesToTry(names, "x")).toEqual([
    { publishName: "free", iterationName: "name of a" },
    { publishName: "ended", iterationName: "name of d" },
  ]);
});

it("offers none to an iteration that is tried already", () => {
  expect(namesToTry([name("free", "a"), name("busy", "b", "c")], "c")).toEqual([]);
});
