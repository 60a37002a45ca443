/** The tabs of an iteration, each loaded when it is first opened. */
import type { ComponentType } from "react";
import type { Iteration } from "../../api/queries/iterations";
import { lazyPart } from "../../components/lazyPart";

export interface ResultsTabProps {
  projectId: string;
  /** A completed iteration. */
  iteration: Iteration;
  isDetection: boolean;
  isMulticlass: boolean;
  isAnomaly: boolean;
}

interface ResultsTab {
  /** Value of `tab` in the address; the first one is shown without it. */
  id: string;
  label: string;
  component: ComponentType<ResultsTabProps>;
  /** Whether the thresholds above the tabs have an effect on it (see `useThresholds`). */
  usesThresholds: boolean;
  /** Not of anomaly detection, which has scores and no tags to confuse. */
  needsTags?: true;
}

export const RESULTS_TABS: readonly ResultsTab[] = [
  { id: "performance", label: "Performance", usesThresholds: true, component: lazyPart(() => import("./performance/PerformanceTab")) },
  { id: "matrix", label: "Confusion matrix", usesThresholds: true, needsTags: true, component: lazyPart(() => import("./matrix/MatrixTab")) },
  { id: "curves", label: "Curves", usesThresholds: true, needsTags: true, component: lazyPart(() => import("./curves/CurvesTab")) },
  { id: "images", label: "Images", usesThresholds: true, component: lazyPart(() => import("./images/ImagesTab")) },
  { id: "hints", label: "Label hints", usesThresholds: false, needsTags: true, component: lazyPart(() => import("./hints/HintsTab")) },
];
