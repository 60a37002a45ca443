import { useQueries, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useState } from "react";
import { imagePage, PAGE_SIZE, type Image } from "../../../api/queries/images";
import type { ImageFilter } from "../../../lib/imageFilter";
import { pagesOf } from "./layout";

/** Rest of the scroll bar before pages are requested, so that none is requested for what only passes by. */
const SETTLE_MS = 70;

/**
 * The images of a list by their index, of which only the pages around `first` to `last` are requested.
 *
 * Requests for pages that are no longer visible are cancelled; pages that were seen before are shown at once.
 */
export function usePages(projectId: string, filter: ImageFilter, first: number, last: number) {
  const client = useQueryClient();
  const visible = pagesOf(first, last, PAGE_SIZE).join();
  const [wanted, setWanted] = useState(visible);

  useEffect(() => {
    const timer = setTimeout(() => setWanted(visible), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [visible]);

  const pages = wanted ? wanted.split(",").map(Number) : [];
  const results = useQueries({ queries: pages.map((page) => imagePage(projectId, filter, page)) });
  // Reading `data` subscribes to it: the grid is rendered again when a page arrives.
  const error = results.find((result) => result.data === undefined && result.error !== null)?.error ?? null;

  const page = useCallback(
    (number: number): readonly Image[] | undefined => client.getQueryData(imagePage(projectId, filter, number).queryKey),
    [client, projectId, filter],
  );
  const imageAt = useCallback(
    (index: number): Image | undefined => page(Math.floor(index / PAGE_SIZE))?.[index % PAGE_SIZE],
    [page],
  );
  /** The images `from` to `to`, loaded where they are not. */
  const load = useCallback(
    async (from: number, to: number): Promise<Image[]> => {
      const found: Image[] = [];
      for (const page of pagesOf(from, to, PAGE_SIZE)) {
        const images = await client.query({ ...imagePage(projectId, filter, page), staleTime: 60_000 });
        images.forEach((image, index) => {
          const at = page * PAGE_SIZE + index;
          if (at >= from && at <= to) found.push(image);
        });
      }
      return found;
    },
    [client, projectId, filter],
  );
  return { imageAt, page, load, error, retry: () => results.forEach((result) => void result.refetch()) };
}
