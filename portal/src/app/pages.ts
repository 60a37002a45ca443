/** The pages, each loaded when it is first opened: a file of its own in the build. */
import type { ComponentType } from "react";
import { lazyPart } from "../components/lazyPart";

export interface PageProps {
  projectId: string;
}

export const ProjectsPage = lazyPart(() => import("../pages/projects/ProjectsPage"));
export const EmulatorPage = lazyPart(() => import("../pages/emulator/EmulatorPage"));

interface ProjectPage {
  /** Path below /portal/projects/{id}/. */
  path: string;
  label: string;
  component: ComponentType<PageProps>;
  /** The action of the key map that goes there. */
  action?: string;
  /** Pages without it are reached from others. */
  inHeader: boolean;
  /** The page of the header that it belongs to. */
  within?: string;
}

export const PROJECT_PAGES: readonly ProjectPage[] = [
  { path: "images", label: "Images", action: "goImages", inHeader: true, component: lazyPart(() => import("../pages/images/ImagesPage")) },
  { path: "label", label: "Label", action: "goLabel", inHeader: true, component: lazyPart(() => import("../pages/label/LabelPage")) },
  { path: "train", label: "Train", action: "goTrain", inHeader: true, component: lazyPart(() => import("../pages/train/TrainPage")) },
  { path: "results", label: "Results", action: "goResults", inHeader: true, component: lazyPart(() => import("../pages/results/ResultsPage")) },
  { path: "compare", label: "Compare", action: "goCompare", inHeader: false, within: "results", component: lazyPart(() => import("../pages/results/ComparePage")) },
  { path: "predictions", label: "Predictions", action: "goPredictions", inHeader: true, component: lazyPart(() => import("../pages/predictions/PredictionsPage")) },
  { path: "quicktest", label: "Quick test", action: "goQuickTest", inHeader: true, component: lazyPart(() => import("../pages/quicktest/QuickTestPage")) },
  { path: "testsets", label: "Test sets", action: "goTestSets", inHeader: true, component: lazyPart(() => import("../pages/testsets/TestSetsPage")) },
  { path: "map", label: "Map", action: "goMap", inHeader: true, component: lazyPart(() => import("../pages/map/MapPage")) },
  { path: "settings", label: "Settings", action: "goSettings", inHeader: true, component: lazyPart(() => import("../pages/settings/SettingsPage")) },
];
