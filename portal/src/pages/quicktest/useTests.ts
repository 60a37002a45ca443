import { useQueries, useQueryClient } from "@tanstack/react-query";
import { useCallback, useState } from "react";
import { cacheKeys } from "../../api/keys";
import { limiter } from "../../lib/limiter";
import { newTest, test, type Outcome, type TestedImage, type TestOptions } from "./tests";

/** Tests at a time. */
const AT_ONCE = 2;

/** The tested images, newest last, and the outcome of each with the iteration and the option in effect. */
export function useTests(options: TestOptions) {
  const [images, setImages] = useState<readonly TestedImage[]>([]);
  const [limited] = useState(() => limiter(AT_ONCE));
  const client = useQueryClient();

  const queries = useQueries({
    queries: images.map((image) => ({
      queryKey: cacheKeys.quickTest(options.projectId, options.iterationId, image.id),
      // A test that is stored is not repeated, neither at a glance at another window nor after a lost connection.
      staleTime: "static" as const,
      gcTime: 60_000,
      retry: false,
      queryFn: async ({ signal }: { signal: AbortSignal }): Promise<Outcome> => {
        const outcome = await limited(() => test(image, options, signal));
        if (options.store) void client.invalidateQueries({ queryKey: cacheKeys.predictions(options.projectId) });
        return outcome;
      },
    })),
  });
  const add = useCallback((sources: readonly TestedImage["source"][]) => {
    const added = sources.map(newTest);
    setImages((present) => [...present, ...added]);
    return added;
  }, []);
  const remove = useCallback((id: number) => setImages((present) => present.filter((each) => each.id !== id)), []);
  const clear = useCallback(() => setImages([]), []);
  return { tested: images.map((image, index) => ({ image, query: queries[index] })), add, remove, clear };
}
