/** What can be done with the boxes of the open image. */
import { useCallback, useEffect, useMemo, useRef } from "react";
import { announce } from "../../components/announce";
import type { ShownBox } from "./BoxShapes";
import { area, besides, boxBetween, fromRegion, toRegion, type Box, type Size } from "./geometry";
import { sameBox, type LabelBox } from "./labels";
import type { Ghost } from "./suggestions";
import type { Labeling } from "./useLabeling";
import type { Tagging } from "./useTagging";

/** The position of a box in words. */
function described(name: string | null, box: Box, number: number, total: number): string {
  const [x, y, width, height] = [box.x, box.y, box.width, box.height].map(Math.round);
  return `${name ?? "No tag"}, box ${number} of ${total}, at ${x}, ${y}, ${width} by ${height} pixels`;
}

export function useBoxes(labeling: Labeling, tagging: Tagging) {
  const { store, session, document, labels, selection, setSelection } = labeling;
  const { nameOf } = tagging;
  const imageId = session.imageId;
  const image: Size = document?.image ?? { width: 1, height: 1 };
  const { boxes } = labels;
  const selectedKey = selection?.imageId === imageId && boxes.some((each) => each.key === selection.key) ? selection.key : null;
  const selected = boxes.find((each) => each.key === selectedKey);
  const shown = useMemo<ShownBox[]>(() => boxes.map((each) => ({ ...each, name: nameOf(each.tagId) })), [boxes, nameOf]);

  // What R repeats: the boxes of the image that was left last.
  const previous = useRef<{ size: Size; boxes: readonly LabelBox[] } | null>(null);
  useEffect(
    () => () => {
      const left = store.get(imageId);
      if (left && left.steps.current.boxes.length > 0) previous.current = { size: left.image, boxes: left.steps.current.boxes };
    },
    [store, imageId],
  );

  const names = useMemo(
    () => new Map(shown.map((each, index) => [each.key, described(each.name, each.box, index + 1, shown.length)])),
    [shown],
  );
  const describe = (key: string) => names.get(key) ?? "";
  // Not those of the last drawing: an answer of the server may come between.
  const now = () => store.get(imageId)?.steps.current.boxes ?? boxes;
  const put = (next: readonly LabelBox[], label: string, merge = false) => labeling.change({ boxes: next, tagIds: [] }, label, merge);
  const select = useCallback((key: string | null) => setSelection(key === null ? null : { imageId, key }), [imageId, setSelection]);
  const change = (key: string, box: Box, label: string, merge = false) =>
    put(now().map((each) => (each.key === key ? { ...each, box } : each)), label, merge);

  /** Add boxes; those that are there already are not added again. Selects the first one that is new, if at all. Returns how many are new. */
  function add(added: readonly { tagId: string | null; box: Box }[], label: string, selects: boolean): number {
    const present = now();
    const fresh = added
      .filter((each) => !present.some((other) => other.tagId === each.tagId && sameBox(other.box, each.box, 0.01)))
      .map((each) => ({ key: store.newKey(), ...each }));
    const first = fresh[0];
    if (!first) return 0;
    put([...present, ...fresh], label);
    if (selects) select(first.key);
    return fresh.length;
  }

  return {
    image,
    boxes: shown,
    selected,
    selectedKey,
    select,
    describe,
    change,
    add,
    /** The next box (1) or the one before (-1); false beyond the last or first. */
    cycle: (direction: 1 | -1): boolean => {
      const index = boxes.findIndex((each) => each.key === selectedKey);
      const at = index < 0 ? (direction === 1 ? 0 : boxes.length - 1) : index + direction;
      const found = boxes[at];
      select(found?.key ?? null);
      if (found) announce(describe(found.key));
      return found !== undefined;
    },
    setTag: (key: string, tagId: string) => {
      put(now().map((each) => (each.key === key ? { ...each, tagId } : each)), "Changed the tag of a box");
      announce(`Box: ${nameOf(tagId) ?? ""}`);
    },
    remove: (key: string) => {
      const index = boxes.findIndex((each) => each.key === key);
      put(now().filter((each) => each.key !== key), "Deleted a box");
      const neighbor = boxes[index + 1] ?? boxes[index - 1];
      announce(`Box deleted, ${boxes.length - 1} left`);
      setSelection(neighbor ? { imageId, key: neighbor.key } : null);
    },
    copy: (key: string) => {
      const found = boxes.find((each) => each.key === key);
      if (found && add([{ tagId: found.tagId, box: besides(found.box, image) }], "Copied a box", true)) announce("Box copied");
    },
    accept: (ghosts: readonly Ghost[], tagOf: (ghost: Ghost) => string | null) => {
      const amount = add(
        ghosts.map((ghost) => ({ tagId: tagOf(ghost), box: clipped(ghost.box, image) })),
        ghosts.length === 1 ? "Accepted a suggestion" : `Accepted ${ghosts.length} suggestions`,
        ghosts.length === 1 && ghosts[0]?.tagId === null,
      );
      announce(amount === 1 ? "Suggestion accepted" : `${amount} suggestions accepted`);
    },
    repeat: () => {
      const before = store.get(session.images[session.index - 1]?.id ?? null);
      const source = previous.current ?? (before && { size: before.image, boxes: before.steps.current.boxes });
      if (!source) {
        announce("The previous image has no boxes");
        return;
      }
      const again = source.boxes.map((each) => ({ tagId: each.tagId, box: scaled(each.box, source.size, image) }));
      // Selected, so that arrows shift it to its place; Tab goes on to the others.
      const amount = add(again, "Repeated the boxes of the previous image", true);
      announce(amount === 1 ? "1 box repeated and selected" : `${amount} boxes repeated${amount > 0 ? ", the first one selected" : ""}`);
    },
    /** The first box without a tag. */
    untagged: boxes.find((each) => each.tagId === null),
  };
}

/** A box of one image at the same place of another, which may have another size. */
function scaled(box: Box, from: Size, to: Size): Box {
  if (from.width === to.width && from.height === to.height) return box;
  const { x, y, width, height } = fromRegion(toRegion(box, from), to);
  return boxBetween({ x, y }, { x: x + width, y: y + height }, to);
}

/** A predicted box within the image; models predict edges slightly beyond it. */
function clipped(box: Box, image: Size): Box {
  const x = Math.max(0, box.x);
  const y = Math.max(0, box.y);
  const inside = { x, y, width: Math.min(box.x + box.width, image.width) - x, height: Math.min(box.y + box.height, image.height) - y };
  return area(inside) > 0 ? inside : { x: 0, y: 0, width: 1, height: 1 };
}

export type Boxes = ReturnType<typeof useBoxes>;
