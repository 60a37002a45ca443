/** Roll-outs of published names: another iteration is tried under a name; the emulator's own API (docs/factory.md). */
import { useQuery } from "@tanstack/react-query";
import { body, emulator, type EmulatorTypes } from "../client";
import { cacheKeys } from "../keys";

type Shapes = EmulatorTypes["schemas"];
export type PublishedName = Shapes["PublishedName"];
export type Rollout = NonNullable<PublishedName["rollout"]>;
export type RolloutSide = Rollout["current"];

/** What the candidate does: percent is null in shadow mode, where it answers no request. */
export interface Share {
  percent: number | null;
}

const ROLLOUTS = "/_emulator/projects/{projectId}/rollouts" as const;
const POLL_MS = 2000;

/** The names under which iterations are or were published; requested again while one is rolled out. */
export function useRollouts(projectId: string) {
  return useQuery({
    queryKey: cacheKeys.rollouts(projectId),
    queryFn: ({ signal }) => fetchNames(projectId, signal),
    refetchInterval: (query) => (query.state.data?.some((each) => each.rollout?.status === "Running") ? POLL_MS : false),
  });
}

export const fetchNames = (projectId: string, signal?: AbortSignal) =>
  body(emulator.GET(ROLLOUTS, { params: { path: { projectId } }, ...(signal && { signal }) }));

export const startRollout = (projectId: string, publishName: string, iterationId: string, share: Share) =>
  body(emulator.POST(ROLLOUTS, { params: { path: { projectId } }, body: { publishName, iterationId, ...sent(share) } }));

export const changeRollout = (projectId: string, publishName: string, share: Share) =>
  body(emulator.PATCH(ROLLOUTS, { params: { path: { projectId } }, body: { publishName, ...sent(share) } }));

export const finishRollout = (projectId: string, publishName: string) =>
  body(emulator.POST(`${ROLLOUTS}/finish`, { params: { path: { projectId } }, body: { publishName } }));

/** replacing: the iteration that must not answer any longer; refused where it does not take part any more. */
export const goBack = (projectId: string, publishName: string, replacing: string) =>
  body(emulator.POST(`${ROLLOUTS}/back`, { params: { path: { projectId } }, body: { publishName, iterationId: replacing } }));

function sent({ percent }: Share) {
  return percent === null ? ({ mode: "Shadow" } as const) : ({ mode: "Percentage", percent } as const);
}
