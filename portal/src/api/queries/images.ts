/** Images of a project: pages of a list, the number of images, single images. */
import { queryOptions, useQuery } from "@tanstack/react-query";
import { addressOfFilter, queryOfFilter, type ImageFilter } from "../../lib/imageFilter";
import { body, localUri, training, type Schemas } from "../client";
import { cacheKeys } from "../keys";

export type Image = Schemas["Image"] & { tags?: ImageTag[]; regions?: Schemas["ImageRegion"][] };
type ImageTag = Schemas["ImageTag"];

/** Images of a page: a few screens. The API allows 256. */
export const PAGE_SIZE = 128;
/** Most ids of GetImagesByIds. */
export const MOST_IDS = 256;
const PAGES_KEPT_MS = 60_000;

/** Images `skip` to `skip + take` of a list. */
export async function fetchImages(
  projectId: string,
  filter: ImageFilter,
  range: { skip: number; take: number },
  signal?: AbortSignal,
): Promise<Image[]> {
  return body(
    training.GET("/projects/{projectId}/images", {
      params: { path: { projectId }, query: { ...queryOfFilter(filter), orderBy: filter.order, ...range } },
      signal,
    }),
  );
}

/** The query of one page of a list; the request is cancelled when nothing shows the page any more. */
export function imagePage(projectId: string, filter: ImageFilter, page: number) {
  return queryOptions({
    queryKey: cacheKeys.images(projectId, "page", addressOfFilter(filter).toString(), page),
    queryFn: ({ signal }) => fetchImages(projectId, filter, { skip: page * PAGE_SIZE, take: PAGE_SIZE }, signal),
    gcTime: PAGES_KEPT_MS,
  });
}

/** The number of images of a list. */
function imageCount(projectId: string, filter: ImageFilter) {
  return queryOptions({
    queryKey: cacheKeys.images(projectId, "count", addressOfFilter({ ...filter, order: "Newest" }).toString()),
    queryFn: ({ signal }) => fetchImageCount(projectId, filter, signal),
  });
}

export async function fetchImageCount(projectId: string, filter: ImageFilter, signal?: AbortSignal): Promise<number> {
  return body(
    training.GET("/projects/{projectId}/images/count", {
      params: { path: { projectId }, query: queryOfFilter(filter) },
      signal,
    }),
  );
}

export function useImageCount(projectId: string, filter: ImageFilter) {
  return useQuery(imageCount(projectId, filter));
}

/** The number of images without tags. */
export function useUntaggedCount(projectId: string) {
  return useQuery({
    queryKey: cacheKeys.images(projectId, "untaggedCount"),
    queryFn: ({ signal }) =>
      body(training.GET("/projects/{projectId}/images/untagged/count", { params: { path: { projectId } }, signal })),
  });
}

/** One image, or null if it is not in the view (it was deleted, perhaps). */
export function useImage(projectId: string, imageId: string | null, iterationId?: string) {
  return useQuery({
    queryKey: cacheKeys.images(projectId, "one", imageId, iterationId ?? "workspace"),
    queryFn: async ({ signal }) => (await fetchImagesByIds(projectId, [imageId ?? ""], iterationId, signal))[0] ?? null,
    enabled: imageId !== null,
  });
}

/** At most 256 images by their ids, oldest first; those that do not exist are left out. */
export async function fetchImagesByIds(
  projectId: string,
  imageIds: readonly string[],
  iterationId?: string,
  signal?: AbortSignal,
): Promise<Image[]> {
  return body(
    training.GET("/projects/{projectId}/images/id", {
      params: { path: { projectId }, query: { imageIds: [...imageIds], ...(iterationId ? { iterationId } : {}) } },
      signal,
    }),
  );
}

const MOST_URIS = 20_000;
const thumbnails = new Map<string, string>();

/**
 * The address of a thumbnail, the same one each time: every response signs anew, and a new address would be
 * loaded again. `failed`: an address that could not be loaded (its signature has expired).
 */
export function thumbnailOf(image: Pick<Image, "id" | "thumbnailUri">, failed?: string): string {
  const known = thumbnails.get(image.id);
  if (known !== undefined && known !== failed) return known;
  if (thumbnails.size >= MOST_URIS) thumbnails.clear();
  const uri = localUri(image.thumbnailUri);
  thumbnails.set(image.id, uri);
  return uri;
}
