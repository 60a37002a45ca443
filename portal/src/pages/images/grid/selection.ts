/**
 * Which images are selected: some by their ids, or all that match the filter, loaded or not, but some. "All" is
 * what matched when they were selected: `total` images.
 */

export type Selection =
  | { kind: "some"; ids: ReadonlySet<string> }
  | { kind: "all"; total: number; except: ReadonlySet<string> };

export const NOTHING: Selection = { kind: "some", ids: new Set() };

/** All `total` images of the list. */
export function everything(total: number): Selection {
  return { kind: "all", total, except: new Set() };
}

export function isSelected(selection: Selection, id: string): boolean {
  return selection.kind === "all" ? !selection.except.has(id) : selection.ids.has(id);
}

export function selectedCount(selection: Selection): number {
  return selection.kind === "all" ? Math.max(0, selection.total - selection.except.size) : selection.ids.size;
}

export function withImages(selection: Selection, ids: Iterable<string>, selected = true): Selection {
  const isAll = selection.kind === "all";
  const listed = new Set(isAll ? selection.except : selection.ids);
  for (const id of ids) {
    if (selected === isAll) listed.delete(id);
    else listed.add(id);
  }
  return isAll ? { ...selection, except: listed } : { kind: "some", ids: listed };
}

export function toggled(selection: Selection, id: string): Selection {
  return withImages(selection, [id], !isSelected(selection, id));
}

/** What remains of a selection when only the images `ids` remain selected of those that were listed by id. */
export function without(selection: Selection, ids: Iterable<string>): Selection {
  return withImages(selection, ids, false);
}

/**
 * A selection of all as the images that it is about, now that they are listed: images that match later are not in
 * it. It stays as it is where another number of images was listed than was selected.
 */
export function pinned(selection: Selection, listed: readonly string[]): Selection {
  if (selection.kind === "some" || listed.length !== selection.total) return selection;
  return { kind: "some", ids: new Set(listed.filter((id) => !selection.except.has(id))) };
}
