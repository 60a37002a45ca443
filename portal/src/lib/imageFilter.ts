/**
 * Which images of a project are shown, in the address: `?iteration=&status=&tags=&metadata=&order=`.
 *
 * The pages of images and of labeling have the same parameters, so that a link from one to the other keeps them.
 */

export type TaggingStatus = "All" | "Tagged" | "Untagged";
type Order = "Newest" | "Oldest";

export interface ImageFilter {
  /** Images as this iteration was trained on them; undefined: the workspace. */
  iterationId?: string;
  status: TaggingStatus;
  /** Images with any of these tags, at most 20. */
  tagIds: readonly string[];
  /** Condition on metadata as the API has it, without its prefix: `shop eq 'north'`. */
  metadata: string;
  order: Order;
}

/** Most tags of a filter, and most ids in it, as in the API. */
export const MOST_FILTER_TAGS = 20;

export const ALL_IMAGES: ImageFilter = { status: "All", tagIds: [], metadata: "", order: "Newest" };
const PARAMETERS = ["iteration", "status", "tags", "metadata", "order"] as const;
const STATUSES: Record<string, TaggingStatus> = { tagged: "Tagged", untagged: "Untagged" };

export function filterOfAddress(parameters: URLSearchParams): ImageFilter {
  const status = STATUSES[parameters.get("status") ?? ""] ?? "All";
  const tags = (parameters.get("tags") ?? "").split(",").filter(Boolean);
  const iterationId = parameters.get("iteration") ?? undefined;
  return {
    ...(iterationId ? { iterationId } : {}),
    status,
    tagIds: status === "Untagged" ? [] : [...new Set(tags)].slice(0, MOST_FILTER_TAGS),
    metadata: parameters.get("metadata") ?? "",
    order: parameters.get("order") === "oldest" ? "Oldest" : "Newest",
  };
}

/** The parameters of a filter; what is at its default is left out. Other parameters of `base` stay. */
export function addressOfFilter(filter: ImageFilter, base?: URLSearchParams): URLSearchParams {
  const parameters = new URLSearchParams(base);
  for (const name of PARAMETERS) parameters.delete(name);
  if (filter.iterationId) parameters.set("iteration", filter.iterationId);
  if (filter.status !== "All") parameters.set("status", filter.status.toLowerCase());
  if (filter.tagIds.length) parameters.set("tags", filter.tagIds.join(","));
  if (filter.metadata) parameters.set("metadata", filter.metadata);
  if (filter.order !== "Newest") parameters.set("order", filter.order.toLowerCase());
  return parameters;
}

/** The query of GetImages and GetImageCount. */
export function queryOfFilter(filter: ImageFilter) {
  return {
    ...(filter.iterationId ? { iterationId: filter.iterationId } : {}),
    ...(filter.status === "All" ? {} : { taggingStatus: filter.status }),
    ...(filter.tagIds.length ? { tagIds: [...filter.tagIds] } : {}),
    ...(filter.metadata ? { $filter: `metadata=${filter.metadata}` } : {}),
  };
}

/** Whether a change of tags can remove images from the list. */
export function dependsOnTags(filter: ImageFilter): boolean {
  return filter.status !== "All" || filter.tagIds.length > 0;
}

/**
 * The condition that a typed text means: `key=value`, or the API's own form (`key eq 'value' and ...`); null if
 * it is neither.
 */
export function metadataCondition(text: string): string | null {
  const typed = text.trim();
  if (/\s(eq|ne)\s+'/i.test(typed)) return typed;
  const pair = /^([^=]+?)\s*(!?=)\s*(.+)$/s.exec(typed);
  if (!pair) return null;
  const [, key = "", sign, value = ""] = pair;
  return `${quoted(key)} ${sign === "!=" ? "ne" : "eq"} '${value.replaceAll("'", "''")}'`;
}

/** A key as the filter reads it: a single word may stand alone. */
function quoted(key: string): string {
  return /^[^\s'()]+$/.test(key) && !/^(and|or|eq|ne)$/i.test(key) ? key : `'${key.replaceAll("'", "''")}'`;
}
