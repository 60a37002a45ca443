/** The keys of labeling boxes. */
import { notifications } from "@mantine/notifications";
import { useMemo, useRef } from "react";
import { announce } from "../../components/announce";
import { forTagKeys } from "../../keyboard/actions";
import { useKeys, type KeyHandlers } from "../../keyboard/useKeys";
import { grown, grownBefore, moved, type Box } from "./geometry";
import type { Boxes } from "./useBoxes";

const FAR = 10;
const MOVES = { Left: [-1, 0], Right: [1, 0], Up: [0, -1], Down: [0, 1] } as const;
const SIZES = {
  narrower: [-1, 0], wider: [1, 0], shorter: [0, -1], taller: [0, 1],
  farNarrower: [-FAR, 0], farWider: [FAR, 0], farShorter: [0, -FAR], farTaller: [0, FAR],
} as const;
/** Actions that move the left or the top edge, the others staying where they are. */
const EDGES = {
  leftEdgeLeft: [-1, 0], leftEdgeRight: [1, 0], topEdgeUp: [0, -1], topEdgeDown: [0, 1],
  leftEdgeFarLeft: [-FAR, 0], leftEdgeFarRight: [FAR, 0], topEdgeFarUp: [0, -FAR], topEdgeFarDown: [0, FAR],
} as const;

interface Actions {
  boxes: Boxes;
  /** Whether labels of the open image were changed since it was opened. */
  isEdited: boolean;
  isOnCanvas: () => boolean;
  reveal: (box: Box) => void;
  goOn: () => void;
  goBack: () => void;
  chooseTag: (index: number) => void;
  /** Of the other actions. */
  handlers: KeyHandlers;
}

export function useBoxKeys({ boxes, isEdited, isOnCanvas, reveal, goOn, goBack, chooseTag, handlers }: Actions): void {
  const { selected, image } = boxes;
  const to = (box: Box, label: string) => {
    if (!selected) return;
    boxes.change(selected.key, box, label, true);
    reveal(box);
  };
  const map: KeyHandlers = { ...handlers };
  for (const [name, [x, y]] of Object.entries(MOVES)) {
    map[`move${name}`] = () => {
      if (selected) to(moved(selected.box, x, y, image), "Moved a box");
      else if (x === 0) return false;
      // Someone who has just worked on a box means the box: the image stays.
      else if (isEdited) sayNoBox();
      else (x > 0 ? goOn : goBack)();
      return true;
    };
    map[`moveFar${name}`] = () => (selected ? to(moved(selected.box, x * FAR, y * FAR, image), "Moved a box") : false);
  }
  for (const [name, [x, y]] of Object.entries(SIZES))
    map[name] = () => (selected ? to(grown(selected.box, x, y, image), "Resized a box") : undefined);
  for (const [name, [x, y]] of Object.entries(EDGES))
    map[name] = () => (selected ? to(grownBefore(selected.box, x, y, image), "Resized a box") : undefined);
  Object.assign(map, forTagKeys("tag", (index) => () => chooseTag(index)));
  // From the canvas, Tab goes through the boxes and then on, so that it never is a trap.
  map.nextBox = () => isOnCanvas() && boxes.cycle(1);
  map.previousBox = () => isOnCanvas() && boxes.cycle(-1);
  map.copyBox = () => selected && boxes.copy(selected.key);
  map.deleteBox = () => selected && boxes.remove(selected.key);
  map.repeatBoxes = () => boxes.repeat();
  useKeys(map);
}

function sayNoBox(): void {
  const message = "No box is selected. Tab selects one; Enter opens the next image.";
  announce(message);
  notifications.show({ id: "no-box", message, autoClose: 4000 });
}

/** Space acts when it is released, unless the pointer panned meanwhile. */
export function useHeldSpace(act: () => void) {
  const state = useRef({ isHeld: false, isUsed: false });
  return useMemo(
    () => ({
      /** Whether Space is held; a drag then pans, and Space does not act. */
      panning: () => {
        if (state.current.isHeld) state.current.isUsed = true;
        return state.current.isHeld;
      },
      onKey: (event: KeyboardEvent) => {
        if (event.key !== " ") {
          act(); // another key was chosen for it, or the command palette
          return;
        }
        if (state.current.isHeld) return;
        state.current = { isHeld: true, isUsed: false };
        const end = () => {
          window.removeEventListener("keyup", onKeyUp);
          window.removeEventListener("blur", end);
          state.current.isHeld = false;
        };
        const onKeyUp = (up: KeyboardEvent) => {
          if (up.key !== " ") return;
          const used = state.current.isUsed;
          end();
          if (!used) act();
        };
        window.addEventListener("keyup", onKeyUp);
        window.addEventListener("blur", end);
      },
    }),
    [act],
  );
}
