/**
 * All actions that have keys: their names, scopes and default keys, in one place, so that a test finds conflicts.
 *
 * Keys are written as tinykeys reads them: "$mod" is Ctrl, or Cmd on a Mac; a blank separates presses in turn; what
 * is in parentheses is a regular expression.
 */
export type Scope = "everywhere" | "grid" | "label" | "results" | "map" | "hints";

interface Action {
  scope: Scope;
  label: string;
  keys: readonly string[];
}

const DIGITS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "0"] as const;
/** Number of tags that have a key of their own. */
export const TAG_KEYS = DIGITS.length;

function digits(scope: Scope, kind: TagAction, label: string, key: (digit: string) => string): Record<string, Action> {
  return Object.fromEntries(
    DIGITS.map((digit, index) => [tagAction(kind, index), { scope, label: `${label} ${index + 1}`, keys: [key(digit)] }]),
  );
}

/** A digit of any block of keys, and the key of a digit where it gives another sign (French layouts). */
const digitKey = (digit: string) => `(${digit}|Digit${digit})`;

/** Actions with a key for each of the first tags: on an image in labeling, and on a selection of images. */
export type TagAction = "tag" | "gridTag" | "gridUntag";

/** The id of the action on the tag at `index` of the order. There is none from the eleventh tag on. */
export function tagAction(kind: TagAction, index: number): string {
  return `${kind}${index + 1}`;
}

/** A handler for each of the tags with a key. */
export function forTagKeys<Handler>(kind: TagAction, handlerOf: (index: number) => Handler): Record<string, Handler> {
  return Object.fromEntries(DIGITS.map((_, index) => [tagAction(kind, index), handlerOf(index)]));
}

export const ACTIONS: Readonly<Record<string, Action>> = {
  help: { scope: "everywhere", label: "Show the keys", keys: ["Shift+?"] },
  palette: { scope: "everywhere", label: "Command palette", keys: ["$mod+k"] },
  undo: { scope: "everywhere", label: "Undo", keys: ["$mod+z"] },
  redo: { scope: "everywhere", label: "Redo", keys: ["$mod+Shift+z", "$mod+y"] },
  goProjects: { scope: "everywhere", label: "Go to projects", keys: ["g h"] },
  goImages: { scope: "everywhere", label: "Go to images", keys: ["g i"] },
  goLabel: { scope: "everywhere", label: "Go to labeling", keys: ["g l"] },
  goTrain: { scope: "everywhere", label: "Go to training", keys: ["g t"] },
  goResults: { scope: "everywhere", label: "Go to results", keys: ["g r"] },
  goPredictions: { scope: "everywhere", label: "Go to predictions", keys: ["g p"] },
  goQuickTest: { scope: "everywhere", label: "Go to quick test", keys: ["g q"] },
  goTestSets: { scope: "everywhere", label: "Go to test sets", keys: ["g e"] },
  goMap: { scope: "everywhere", label: "Go to the map", keys: ["g m"] },
  goSettings: { scope: "everywhere", label: "Go to settings", keys: ["g s"] },
  goCompare: { scope: "everywhere", label: "Go to the comparison of iterations", keys: ["g c"] },
  goEmulator: { scope: "everywhere", label: "Go to the emulator", keys: ["g u"] },
  toggleHeatMap: { scope: "everywhere", label: "Show or hide the heat map", keys: ["o"] },
  // Without a key until a person gives them one; they are in the command palette.
  newProject: { scope: "everywhere", label: "New project", keys: [] },
  addImages: { scope: "everywhere", label: "Add images", keys: [] },
  importDataSet: { scope: "everywhere", label: "Import a data set", keys: [] },
  exportDataSet: { scope: "everywhere", label: "Export as a data set", keys: [] },
  publish: { scope: "everywhere", label: "Publish an iteration", keys: [] },
  changeColors: { scope: "everywhere", label: "Light or dark colors", keys: [] },

  gridLeft: { scope: "grid", label: "Previous image", keys: ["ArrowLeft"] },
  gridRight: { scope: "grid", label: "Next image", keys: ["ArrowRight"] },
  gridUp: { scope: "grid", label: "Image above", keys: ["ArrowUp"] },
  gridDown: { scope: "grid", label: "Image below", keys: ["ArrowDown"] },
  gridSelect: { scope: "grid", label: "Select or deselect", keys: ["Space"] },
  gridExtendLeft: { scope: "grid", label: "Extend selection to the left", keys: ["Shift+ArrowLeft"] },
  gridExtendRight: { scope: "grid", label: "Extend selection to the right", keys: ["Shift+ArrowRight"] },
  gridExtendUp: { scope: "grid", label: "Extend selection up", keys: ["Shift+ArrowUp"] },
  gridExtendDown: { scope: "grid", label: "Extend selection down", keys: ["Shift+ArrowDown"] },
  gridSelectAll: { scope: "grid", label: "Select all images", keys: ["$mod+a"] },
  gridSelectNone: { scope: "grid", label: "Select none", keys: ["Escape"] },
  gridOpen: { scope: "grid", label: "Open the image", keys: ["Enter"] },
  gridDelete: { scope: "grid", label: "Delete the selected images", keys: ["Delete"] },
  gridTagSearch: { scope: "grid", label: "Tag the selected images", keys: ["t"] },
  gridUntagged: { scope: "grid", label: "Untagged images only", keys: ["u"] },
  gridFirst: { scope: "grid", label: "First image", keys: ["Home"] },
  gridLast: { scope: "grid", label: "Last image", keys: ["End"] },
  gridPageUp: { scope: "grid", label: "A screen up", keys: ["PageUp"] },
  gridPageDown: { scope: "grid", label: "A screen down", keys: ["PageDown"] },
  ...digits("grid", "gridTag", "Tag the selection: tag", digitKey),
  ...digits("grid", "gridUntag", "Untag the selection: tag", (digit) => `Shift+Digit${digit}`),

  newBox: { scope: "label", label: "New box", keys: ["n", "b"] },
  nextBox: { scope: "label", label: "Next box", keys: ["Tab"] },
  previousBox: { scope: "label", label: "Previous box", keys: ["Shift+Tab"] },
  moveLeft: { scope: "label", label: "Move the box left; without a box: previous image", keys: ["ArrowLeft"] },
  moveRight: { scope: "label", label: "Move the box right; without a box: next image", keys: ["ArrowRight"] },
  moveUp: { scope: "label", label: "Move the box up", keys: ["ArrowUp"] },
  moveDown: { scope: "label", label: "Move the box down", keys: ["ArrowDown"] },
  moveFarLeft: { scope: "label", label: "Move the box 10 pixels left", keys: ["Shift+ArrowLeft"] },
  moveFarRight: { scope: "label", label: "Move the box 10 pixels right", keys: ["Shift+ArrowRight"] },
  moveFarUp: { scope: "label", label: "Move the box 10 pixels up", keys: ["Shift+ArrowUp"] },
  moveFarDown: { scope: "label", label: "Move the box 10 pixels down", keys: ["Shift+ArrowDown"] },
  narrower: { scope: "label", label: "Make the box narrower", keys: ["Alt+ArrowLeft"] },
  wider: { scope: "label", label: "Make the box wider", keys: ["Alt+ArrowRight"] },
  shorter: { scope: "label", label: "Make the box shorter", keys: ["Alt+ArrowUp"] },
  taller: { scope: "label", label: "Make the box taller", keys: ["Alt+ArrowDown"] },
  farNarrower: { scope: "label", label: "Make the box 10 pixels narrower", keys: ["Alt+Shift+ArrowLeft"] },
  farWider: { scope: "label", label: "Make the box 10 pixels wider", keys: ["Alt+Shift+ArrowRight"] },
  farShorter: { scope: "label", label: "Make the box 10 pixels shorter", keys: ["Alt+Shift+ArrowUp"] },
  farTaller: { scope: "label", label: "Make the box 10 pixels taller", keys: ["Alt+Shift+ArrowDown"] },
  leftEdgeLeft: { scope: "label", label: "Move the left edge of the box left", keys: ["$mod+ArrowLeft"] },
  leftEdgeRight: { scope: "label", label: "Move the left edge of the box right", keys: ["$mod+ArrowRight"] },
  topEdgeUp: { scope: "label", label: "Move the top edge of the box up", keys: ["$mod+ArrowUp"] },
  topEdgeDown: { scope: "label", label: "Move the top edge of the box down", keys: ["$mod+ArrowDown"] },
  leftEdgeFarLeft: { scope: "label", label: "Move the left edge of the box 10 pixels left", keys: ["$mod+Shift+ArrowLeft"] },
  leftEdgeFarRight: { scope: "label", label: "Move the left edge of the box 10 pixels right", keys: ["$mod+Shift+ArrowRight"] },
  topEdgeFarUp: { scope: "label", label: "Move the top edge of the box 10 pixels up", keys: ["$mod+Shift+ArrowUp"] },
  topEdgeFarDown: { scope: "label", label: "Move the top edge of the box 10 pixels down", keys: ["$mod+Shift+ArrowDown"] },
  copyBox: { scope: "label", label: "Copy the box", keys: ["c"] },
  repeatBoxes: { scope: "label", label: "Repeat the boxes of the previous image", keys: ["r"] },
  hideBoxes: { scope: "label", label: "Hide or show boxes", keys: ["h"] },
  acceptSuggestion: { scope: "label", label: "Accept the suggestion", keys: ["Space"] },
  acceptAll: { scope: "label", label: "Accept all suggestions above the threshold", keys: ["Shift+a"] },
  dismissSuggestion: { scope: "label", label: "Dismiss the suggestion", keys: ["x"] },
  toggleProposals: { scope: "label", label: "Show or hide region proposals", keys: ["p"] },
  changeDrawMode: { scope: "label", label: "Draw by drag or by two clicks", keys: ["m"] },
  deleteBox: { scope: "label", label: "Delete the box", keys: ["Delete", "Backspace"] },
  saveAndNext: { scope: "label", label: "Save and go to the next image", keys: ["Enter", "d"] },
  previousImage: { scope: "label", label: "Previous image", keys: ["a"] },
  skip: { scope: "label", label: "Skip the image", keys: ["s"] },
  tagSearch: { scope: "label", label: "Search for a tag", keys: ["t"] },
  cancel: { scope: "label", label: "Cancel or deselect", keys: ["Escape"] },
  zoomIn: { scope: "label", label: "Zoom in", keys: ["+", "Shift++", "="] },
  zoomOut: { scope: "label", label: "Zoom out", keys: ["-"] },
  zoomFit: { scope: "label", label: "Fit the image", keys: ["f"] },
  ...digits("label", "tag", "Tag", digitKey),

  lowerThreshold: { scope: "results", label: "Lower the threshold", keys: ["["] },
  higherThreshold: { scope: "results", label: "Raise the threshold", keys: ["]"] },
  nextWrong: { scope: "results", label: "Wrong images; the next wrong image", keys: ["w"] },
  togglePrediction: { scope: "results", label: "Labels or predictions", keys: ["p"] },
  compare: { scope: "results", label: "Compare with another iteration", keys: ["d"] },

  keepHint: { scope: "hints", label: "Keep the labels", keys: ["k"] },
  changeHint: { scope: "hints", label: "Change to the proposed label", keys: ["c"] },
  nextHint: { scope: "hints", label: "Next hint", keys: ["ArrowDown", "j"] },
  previousHint: { scope: "hints", label: "Previous hint", keys: ["ArrowUp"] },

  mapZoomIn: { scope: "map", label: "Zoom in", keys: ["+", "Shift++", "="] },
  mapZoomOut: { scope: "map", label: "Zoom out", keys: ["-"] },
  mapFit: { scope: "map", label: "Show the whole map", keys: ["f"] },
  mapLeft: { scope: "map", label: "Move to the left", keys: ["ArrowLeft"] },
  mapRight: { scope: "map", label: "Move to the right", keys: ["ArrowRight"] },
  mapUp: { scope: "map", label: "Move up", keys: ["ArrowUp"] },
  mapDown: { scope: "map", label: "Move down", keys: ["ArrowDown"] },
  mapSelectView: { scope: "map", label: "Select the images in sight", keys: ["v"] },
  mapSelectNone: { scope: "map", label: "Select none", keys: ["Escape"] },
};

export const SCOPES: Readonly<Record<Scope, string>> = {
  everywhere: "Everywhere",
  grid: "Images",
  label: "Labeling",
  results: "Results",
  hints: "Label hints",
  map: "Map",
};

/** Keys that the browser or the page itself needs; they cannot be assigned. */
export const RESERVED = new Set(["F5", "$mod+r", "$mod+w", "$mod+t"]);
