/** The images of a labeling session: a list that stays while images are labeled, and the one in the address. */
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useCallback, useMemo } from "react";
import { useSearchParams } from "wouter";
import { body, emulator, training } from "../../api/client";
import { cacheKeys } from "../../api/keys";
import { fetchImages, thumbnailOf } from "../../api/queries/images";
import { addressOfFilter, filterOfAddress, queryOfFilter, type ImageFilter, type TaggingStatus } from "../../lib/imageFilter";

export interface SessionImage {
  id: string;
  /** On this origin; null where only the id is known. */
  thumbnail: string | null;
  /** Whether it had a tag when the list was read. */
  isTagged: boolean;
}

const ORDERS = ["queue", "newest", "oldest", "uncertain", "certain"] as const;
export type LabelOrder = (typeof ORDERS)[number];

interface SessionFilter {
  images: ImageFilter;
  /** queue: untagged images, those first from whose labels a model learns most. By uncertainty: only images that
   * have suggestions. */
  order: LabelOrder;
}

const PAGE = 256;

interface Page {
  images: SessionImage[];
  next: { skip: number; continuation: string | null } | null;
}

/** The list stays as it is while its images are labeled, whatever is invalidated; the next session reads it anew. */
const KEPT = { staleTime: "static", gcTime: 0 } as const;

const listed = (image: { id: string; thumbnailUri: string; tags?: readonly unknown[] }): SessionImage => ({
  id: image.id,
  thumbnail: thumbnailOf(image),
  isTagged: (image.tags?.length ?? 0) > 0,
});

async function imagesOf(projectId: string, filter: SessionFilter, skip: number): Promise<Page> {
  const found = await fetchImages(projectId, filter.images, { skip, take: PAGE });
  return { images: found.map(listed), next: found.length === PAGE ? { skip: skip + PAGE, continuation: null } : null };
}

/** Untagged images in the order of labeling. While features are computed, the order is a preliminary one. */
async function queuedImages(projectId: string, skip: number): Promise<Page> {
  const queue = await body(
    emulator.GET("/_emulator/projects/{projectId}/labelingQueue", { params: { path: { projectId }, query: { take: PAGE, skip } } }),
  );
  return {
    images: queue.images.map(listed),
    next: queue.images.length === PAGE ? { skip: skip + PAGE, continuation: null } : null,
  };
}

/** Untagged images that have suggestions, by their uncertainty. */
async function suggestedImages(projectId: string, iterationId: string, order: LabelOrder, continuation: string | null): Promise<Page> {
  const page = await body(
    training.POST("/projects/{projectId}/images/suggested", {
      params: { path: { projectId }, query: { iterationId } },
      body: {
        tagIds: [],
        threshold: 0,
        maxCount: PAGE,
        sortBy: order === "certain" ? "UncertaintyAscending" : "UncertaintyDescending",
        ...(continuation ? { continuation } : {}),
      },
    }),
  );
  const images = page.results.map(listed);
  const next = page.token.continuation ?? null;
  return { images, next: next ? { skip: 0, continuation: next } : null };
}

/** Whether the images are all untagged ones, which the queue has in order. */
export function canBeQueued(filter: ImageFilter): boolean {
  return filter.status === "Untagged" && !filter.metadata;
}

/** The filter in the address: untagged images, unless it says something else. */
export function useFilter(): [SessionFilter, (change: Partial<{ status: TaggingStatus; order: LabelOrder }>) => void] {
  const [params, setParams] = useSearchParams();
  const text = params.toString();
  const filter = useMemo<SessionFilter>(() => {
    const address = new URLSearchParams(text);
    // Labels are those of the workspace, whatever iteration the images were filtered by.
    const images: ImageFilter = { ...filterOfAddress(address), iterationId: undefined };
    if (["status", "tags", "metadata"].every((name) => !address.has(name))) images.status = "Untagged";
    const orders = ORDERS.filter((name) => name !== "queue" || canBeQueued(images));
    return { images, order: orders.find((name) => name === address.get("order")) ?? orders[0] ?? "newest" };
  }, [text]);
  const change = useCallback(
    ({ status, order }: Partial<{ status: TaggingStatus; order: LabelOrder }>) =>
      setParams((before) => {
        const after = new URLSearchParams(before);
        after.delete("image");
        if (status) {
          after.set("status", status.toLowerCase());
          after.delete("tags");
          after.delete("metadata");
        }
        if (order) after.set("order", order);
        return after;
      }),
    [setParams],
  );
  return [filter, change];
}

/**
 * The images of the filter and the one that is open.
 *
 * labeledHere: how many images of the list no longer match the filter, so that the next page does not pass over any.
 */
export function useSession(projectId: string, filter: SessionFilter, iterationId: string | undefined, labeledHere: (images: readonly SessionImage[]) => number) {
  const [params, setParams] = useSearchParams();
  const ofModel = filter.order === "certain" || filter.order === "uncertain";
  const key = cacheKeys.labelSession(projectId, filter.order, ofModel ? iterationId : addressOfFilter(filter.images).toString());
  const list = useInfiniteQuery({
    queryKey: [...key, "images"],
    queryFn: ({ pageParam }) =>
      ofModel
        ? suggestedImages(projectId, iterationId ?? "", filter.order, pageParam.continuation)
        : filter.order === "queue"
          ? queuedImages(projectId, pageParam.skip)
          : imagesOf(projectId, filter, pageParam.skip),
    initialPageParam: { skip: 0, continuation: null as string | null },
    getNextPageParam: (last: Page, pages: Page[]) => {
      if (!last.next || filter.images.status !== "Untagged" || ofModel) return last.next;
      return { ...last.next, skip: Math.max(0, last.next.skip - labeledHere(pages.flatMap((page) => page.images))) };
    },
    enabled: !ofModel || iterationId !== undefined,
    ...KEPT,
  });
  const count = useQuery({
    queryKey: [...key, "count"],
    queryFn: () =>
      body(training.GET("/projects/{projectId}/images/count", { params: { path: { projectId }, query: queryOfFilter(filter.images) } })),
    ...KEPT,
    enabled: !ofModel,
  });

  const wanted = params.get("image");
  const images = useMemo(() => {
    const seen = new Set<string>();
    const all = (list.data?.pages ?? []).flatMap((page) => page.images).filter((each) => !seen.has(each.id) && seen.add(each.id));
    return wanted && list.data && !seen.has(wanted) ? [{ id: wanted, thumbnail: null, isTagged: false }, ...all] : all;
  }, [list.data, wanted]);
  const imageId = wanted ?? images[0]?.id ?? null;
  const index = images.findIndex((each) => each.id === imageId);

  const show = useCallback(
    (id: string, replace = false) =>
      setParams(
        (before) => {
          const after = new URLSearchParams(before);
          after.set("image", id);
          return after;
        },
        { replace },
      ),
    [setParams],
  );
  const total = Math.max(images.length, ofModel ? 0 : (count.data ?? 0));
  return { list, images, imageId, index, total, show };
}
