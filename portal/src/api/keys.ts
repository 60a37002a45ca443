/**
 * Names of cached responses: one place, so that a change invalidates what depends on it.
 *
 * All that belongs to a project begins with ["project", id]: invalidate that prefix when in doubt.
 */
export const cacheKeys = {
  session: ["session"] as const,
  domains: ["domains"] as const,
  projects: ["projects"] as const,
  info: ["info"] as const,
  /** With the key of the information: it is invalid together with it. */
  keys: ["info", "keys"] as const,
  health: ["info", "health"] as const,
  trainerOfEmulator: ["info", "trainer"] as const,
  jobs: ["jobs"] as const,
  requestLog: (...part: readonly unknown[]) => ["requestLog", ...part] as const,
  snapshots: ["snapshots"] as const,
  clock: ["clock"] as const,
  faults: ["faults"] as const,
  failedImports: (projectIds: readonly string[]) => ["projects", "failedImports", projectIds] as const,
  /** Not below the project: what was predicted does not change with it. */
  quickTest: (projectId: string, iterationId: string, imageId: number) => ["quickTest", projectId, iterationId, imageId] as const,
  /** Not below the project: a model finds the same in an image, whatever is labeled. */
  heatMap: (projectId: string, iterationId: string, image: string, tagId: string | null) =>
    ["heatMap", projectId, iterationId, image, tagId] as const,
  project: (projectId: string) => ["project", projectId] as const,
  trainer: (projectId: string) => ["project", projectId, "trainer"] as const,
  tags: (projectId: string, iterationId?: string) => ["project", projectId, "tags", iterationId ?? "workspace"] as const,
  images: (projectId: string, ...filter: readonly unknown[]) => ["project", projectId, "images", ...filter] as const,
  iterations: (projectId: string) => ["project", projectId, "iterations"] as const,
  iteration: (projectId: string, iterationId: string, ...part: readonly unknown[]) =>
    ["project", projectId, "iterations", iterationId, ...part] as const,
  /** Not below the project: which trainer made a model does not change. */
  instant: (projectId: string, iterationIds: readonly string[]) => ["instant", projectId, ...iterationIds] as const,
  /** Not below the project: the list of a labeling session stays while its images change. */
  labelSession: (projectId: string, ...filter: readonly unknown[]) => ["labelSession", projectId, ...filter] as const,
  /** Not below the project: a model suggests the same whatever is labeled. */
  suggestions: (projectId: string, iterationId: string, imageId: string) =>
    ["suggestions", projectId, iterationId, imageId] as const,
  /** Not below the project: what was measured stays, whatever is labeled. */
  evaluated: (projectId: string, iterationId: string, part: "images" | "count") => ["evaluated", projectId, iterationId, part] as const,
  rollouts: (projectId: string) => ["project", projectId, "rollouts"] as const,
  predictions: (projectId: string, ...filter: readonly unknown[]) =>
    ["project", projectId, "predictions", ...filter] as const,
  testSets: (projectId: string, ...part: readonly unknown[]) => ["project", projectId, "testSets", ...part] as const,
};
