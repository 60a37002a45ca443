import { useQueries, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { imagePage, PAGE_SIZE, thumbnailOf, type Image } from "../../../api/queries/images";
import type { ImageFilter } from "../../../lib/imageFilter";
import { pagesOf } from "../grid/layout";

interface Place {
  id: string;
  index: number;
}

type Direction = "next" | "previous";

const FRESH_MS = 60_000;

/** The images beside the one with the id, which was opened as number `at`. `list`: of a page, if it is loaded. */
function placesIn(imageId: string, at: number, list: (page: number) => readonly Pick<Image, "id">[] | undefined): Record<Direction, Place | null> {
  const idAt = (index: number) => (index < 0 ? undefined : list(Math.floor(index / PAGE_SIZE))?.[index % PAGE_SIZE]?.id);
  const placeAt = (index: number): Place | null => {
    const id = idAt(index);
    return id === undefined || id === imageId ? null : { id, index };
  };
  const here = idAt(at);
  const hasLeft = here !== undefined && here !== imageId;
  return { next: placeAt(hasLeft ? at : at + 1), previous: placeAt(at - 1) };
}

/**
 * The images before and after one in a list. When the image has left the list (it was tagged, and the list has
 * untagged images), the next one has taken its place.
 */
export function useNeighbors(projectId: string, filter: ImageFilter, total: number, imageId: string, at: number) {
  const pages = at < 0 || total === 0 ? [] : pagesOf(Math.max(0, at - 1), Math.min(total - 1, at + 1), PAGE_SIZE);
  const client = useQueryClient();
  const results = useQueries({ queries: pages.map((page) => imagePage(projectId, filter, page)) });

  const { next, previous } = placesIn(imageId, at, (page) => results[pages.indexOf(page)]?.data);
  const nextImage = next && results[pages.indexOf(Math.floor(next.index / PAGE_SIZE))]?.data?.[next.index % PAGE_SIZE];

  /** The image before or after, from the list as it is on the server now. */
  async function neighbor(direction: Direction): Promise<Place | null> {
    const lists = new Map<number, readonly Image[]>();
    for (const page of pages) lists.set(page, await client.query({ ...imagePage(projectId, filter, page), staleTime: FRESH_MS }));
    return placesIn(imageId, at, (page) => lists.get(page))[direction];
  }

  // The next image is in the cache of the browser when it is opened.
  // While a list is read again, what it says may have been deleted.
  const isCurrent = results.every((result) => !result.isFetching);
  const uri = nextImage && isCurrent ? thumbnailOf(nextImage) : null;
  useEffect(() => {
    if (uri !== null) new window.Image().src = uri;
  }, [uri]);
  return { next, previous, neighbor };
}
