/** Suggestions for many untagged images at once, in parts, with progress. */
import { useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { body, training } from "../../api/client";
import { inWords } from "../../api/errors";
import { cacheKeys } from "../../api/keys";
import { announce } from "../../components/announce";

/** The service takes 64 images in one request; smaller parts show more progress. */
const PART = 16;

interface Progress {
  done: number;
  total: number;
}

export function useSuggestAll(projectId: string, iterationId: string | undefined) {
  const client = useQueryClient();
  const [progress, setProgress] = useState<Progress | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const stop = useRef<AbortController | null>(null);
  const path = { projectId };

  async function start(amount: number): Promise<void> {
    if (iterationId === undefined) return;
    const { signal } = (stop.current = new AbortController());
    setProblem(null);
    setProgress({ done: 0, total: amount });
    let done = 0;
    try {
      while (done < amount) {
        const images = await body(
          training.GET("/projects/{projectId}/images/untagged", { params: { path, query: { take: Math.min(PART, amount - done), skip: done } }, signal }),
        );
        if (images.length === 0) break;
        const query = { iterationId, imageIds: images.map((each) => each.id) };
        const found = await body(training.POST("/projects/{projectId}/tagsandregions/suggestions", { params: { path, query }, signal }));
        for (const each of found) client.setQueryData(cacheKeys.suggestions(projectId, iterationId, each.id), each.predictions);
        done += images.length;
        setProgress({ done, total: amount });
      }
      announce(`Suggestions for ${done} images`);
    } catch (error) {
      if (!signal.aborted) setProblem(inWords(error));
    } finally {
      setProgress(null);
      await client.resetQueries({ queryKey: cacheKeys.labelSession(projectId), predicate: (query) => ["certain", "uncertain"].includes(String(query.queryKey[2])) });
    }
  }
  return { progress, problem, start, cancel: () => stop.current?.abort() };
}
