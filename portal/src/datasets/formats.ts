/** Formats of data sets in words. */
import type { EmulatorTypes } from "../api/client";

export type Format = EmulatorTypes["schemas"]["DataSetFormat"];

interface FormatInfo {
  title: string;
  /** Projects that can be exported in it. */
  exports: { detection: boolean; classification: boolean };
}

const BOTH = { detection: true, classification: true };
const BOXES = { detection: true, classification: false };

export const FORMATS: Readonly<Record<Format, FormatInfo>> = {
  coco: { title: "COCO", exports: BOTH },
  yolo: { title: "YOLO (Ultralytics)", exports: BOXES },
  darknet: { title: "YOLO (Darknet)", exports: BOXES },
  "yolo-classification": { title: "YOLO for classification", exports: { detection: false, classification: true } },
  voc: { title: "Pascal VOC", exports: BOXES },
  cvat: { title: "CVAT for images 1.1", exports: BOTH },
  "label-studio": { title: "Label Studio", exports: BOTH },
  "azure-ml": { title: "Azure Machine Learning", exports: BOTH },
  csv: { title: "CSV", exports: BOTH },
  folders: { title: "A folder for each tag", exports: BOTH },
};

/** Formats as the options of a select; of an export, those that can have the labels of the project. */
export function formatOptions(isDetection?: boolean): { value: string; label: string }[] {
  const found = Object.entries(FORMATS).filter(
    ([, { exports }]) => isDetection === undefined || (isDetection ? exports.detection : exports.classification),
  );
  return found.map(([value, { title }]) => ({ value, label: title }));
}

/** The format of a value of a select, if it is one. */
export function formatOf(value: string | null): Format | undefined {
  return value !== null && value in FORMATS ? (value as Format) : undefined;
}
