import { useMutation } from "@tanstack/react-query";
import { inBatches } from "../../api/bulk/batches";
import { evaluate } from "../../api/queries/testSets";
import { useChanged } from "./useChanged";

/** Most iterations of a request. */
const MOST_ITERATIONS = 64;

/** Starts evaluations of iterations on a test set. */
export function useEvaluate(projectId: string, testSetId: string) {
  const changed = useChanged(projectId);
  return useMutation({
    mutationFn: async (iterationIds: readonly string[]) => {
      for (const ids of inBatches(iterationIds, MOST_ITERATIONS)) await evaluate(projectId, testSetId, ids);
    },
    onSettled: changed,
  });
}
