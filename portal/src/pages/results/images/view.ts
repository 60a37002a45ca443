import type { ShownBox } from "../overlay/Overlay";
import type { Judged, Judgment } from "./judge";

/** What is shown of an image: labels, predictions, or both. */
export const LAYERS = [
  { id: "both", label: "Both", labels: true, predictions: true, next: "labels" },
  { id: "labels", label: "Labels", labels: true, predictions: false, next: "predictions" },
  { id: "predictions", label: "Predictions", labels: false, predictions: true, next: "both" },
] as const;
export type Layer = (typeof LAYERS)[number];

export function layerOf(text: string | null): Layer {
  return LAYERS.find((each) => each.id === text) ?? LAYERS[0];
}

/** The boxes of an image on a layer: labels with solid lines, predictions with dashed ones. */
export function shownBoxes({ labels, predictions }: Judgment, layer: Layer): ShownBox[] {
  const shown = (all: readonly Judged[], dashed: boolean) =>
    all.flatMap(({ tagId, tagName, box, isRight }) => (box ? [{ tagId, name: tagName, box, dashed, isWrong: !isRight }] : []));
  return [...(layer.labels ? shown(labels, false) : []), ...(layer.predictions ? shown(predictions, true) : [])];
}

/** Index of the next wrong one after `from` (-1: from the beginning), beginning anew at the end; null for none. */
export function nextWrong(wrong: readonly boolean[], from: number): number | null {
  const after = wrong.indexOf(true, from + 1);
  const index = after >= 0 ? after : wrong.indexOf(true);
  return index >= 0 ? index : null;
}
