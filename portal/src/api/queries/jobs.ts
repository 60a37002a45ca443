import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { body, emulator, type EmulatorTypes } from "../client";
import { ApiError } from "../errors";
import { cacheKeys } from "../keys";

export type Job = EmulatorTypes["schemas"]["JobItem"];
type JobList = EmulatorTypes["schemas"]["JobList"];

/** While nothing runs, other programs may begin something. */
const IDLE_MS = 5000;
/** The pause between two requests that wait for a change. */
const BUSY_MS = 200;
const WAIT_SECONDS = 20;
const CONFLICT = 409;

export function isUnfinished(job: Job): boolean {
  return job.ended === null;
}

/**
 * Trainings, exports and imports of all projects: the unfinished ones, oldest first, then the last ones that ended.
 *
 * While there is an unfinished one, each request waits for a change, so that progress is shown at once and nothing
 * is requested without need.
 */
export function useJobs() {
  const client = useQueryClient();
  return useQuery({
    queryKey: cacheKeys.jobs,
    queryFn: ({ signal }) => {
      const known = client.getQueryData<JobList>(cacheKeys.jobs);
      const waits = known?.jobs.some(isUnfinished) ?? false;
      const query = known && waits ? { after: known.version, timeoutSeconds: WAIT_SECONDS } : {};
      return body(emulator.GET("/_emulator/jobs", { params: { query }, signal }));
    },
    refetchInterval: (query) => (query.state.data?.jobs.some(isUnfinished) ? BUSY_MS : IDLE_MS),
  });
}

/** Ends a job. One that has ended in the meantime is no error. */
export function useCancelJob() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (jobId: string) => {
      try {
        await emulator.POST("/_emulator/jobs/{jobId}/cancel", { params: { path: { jobId } } });
      } catch (error) {
        if (!(error instanceof ApiError && error.status === CONFLICT)) throw error;
      }
    },
    onSettled: () => client.invalidateQueries({ queryKey: cacheKeys.jobs }),
  });
}
