/**
 * The order of the tags of a project: the first ten have the keys 1 to 0. It is kept in the browser; tags that are
 * created later follow at the end, so that no key changes its tag by itself. Deleted tags keep their place in the
 * stored order, to which undo brings them back.
 */
import { useEffect, useMemo, useSyncExternalStore } from "react";
import { useTags, type Tag } from "../api/queries/tags";
import { Store } from "../lib/store";
import { isText, store, stored } from "../lib/stored";

type Order = readonly string[];
const stores = new Map<string, Store<Order>>();

function storedAs(projectId: string): string {
  return `custom-vision-tags-${projectId}`;
}

function orderOf(projectId: string): Store<Order> {
  const known = stores.get(projectId);
  if (known) return known;
  const value = stored(storedAs(projectId));
  const read = new Store<Order>(Array.isArray(value) ? value.filter(isText) : []);
  stores.set(projectId, read);
  return read;
}

function storeTagOrder(projectId: string, order: Order): void {
  orderOf(projectId).set(order);
  store(storedAs(projectId), order);
}

/** Put the tags of the project in the order `ids`. */
export function changeTagOrder(projectId: string, ids: readonly string[]): void {
  storeTagOrder(projectId, reordered(orderOf(projectId).get(), ids));
}

/** `tags` in the stored order, then the others as they come. */
export function inOrder<Item extends { id: string }>(tags: readonly Item[], order: readonly string[]): Item[] {
  const place = new Map(order.map((id, index) => [id, index]));
  return tags.toSorted((a, b) => (place.get(a.id) ?? Infinity) - (place.get(b.id) ?? Infinity) || 0);
}

/** `ids` with the one at `from` moved to `to`. */
export function moved(ids: readonly string[], from: number, to: number): string[] {
  const rest = ids.filter((_, index) => index !== from);
  const id = ids[from];
  return id === undefined ? [...ids] : [...rest.slice(0, to), id, ...rest.slice(to)];
}

/** The stored order with tags that are new at its end. Those that are missing were deleted, and stay. */
export function withNewTags(order: readonly string[], ids: readonly string[]): readonly string[] {
  const added = ids.filter((id) => !order.includes(id));
  return added.length > 0 ? [...order, ...added] : order;
}

/** The stored order after the tags that are there were put in the order `ids`. Deleted ones stay behind the same tag. */
export function reordered(order: readonly string[], ids: readonly string[]): string[] {
  const after = [...ids];
  order.forEach((id, index) => {
    if (!after.includes(id)) after.splice(index === 0 ? 0 : after.indexOf(order[index - 1] ?? "") + 1, 0, id);
  });
  return after;
}

/** A tag that was brought back has another id: it takes the place of the deleted one. */
export function replaceInTagOrder(projectId: string, id: string, by: string): void {
  if (id !== by) storeTagOrder(projectId, orderOf(projectId).get().filter((each) => each !== by).map((each) => (each === id ? by : each)));
}

/** The tags of the workspace or of an iteration, in the person's order; undefined while they load. */
export function useOrderedTags(projectId: string, iterationId?: string): Tag[] | undefined {
  const tags = useTags(projectId, iterationId).data;
  const inBrowser = orderOf(projectId);
  const order = useSyncExternalStore(inBrowser.subscribe, inBrowser.get);
  const ordered = useMemo(() => (tags ? inOrder(tags, order) : undefined), [tags, order]);
  useEffect(() => {
    if (!ordered || iterationId) return;
    const before = orderOf(projectId).get();
    const order = withNewTags(before, ordered.map((tag) => tag.id));
    if (order !== before) storeTagOrder(projectId, order);
  }, [ordered, projectId, iterationId]);
  return ordered;
}
