/** Types of projects and domains in words. */
import { detectsAnomalies, type Domain } from "../../api/queries/projects";

export const TASKS = [
  { value: "Classification", label: "Classification", text: "What is in the image? Tags belong to the whole image." },
  { value: "ObjectDetection", label: "Object detection", text: "Where is it? Tags belong to boxes drawn on the image." },
] as const;
export type Task = (typeof TASKS)[number]["value"];

export const CLASSIFICATION_TYPES = [
  { value: "Multiclass", label: "Multiclass", text: "One tag per image: each image shows exactly one of the things." },
  { value: "Multilabel", label: "Multilabel", text: "Any number of tags per image: several things can be seen at once." },
] as const;
export type ClassificationType = (typeof CLASSIFICATION_TYPES)[number]["value"];

/** Choices of the export capability; the value is the list of target platforms, joined by commas. */
export const EXPORT_CAPABILITIES = [
  { value: "", label: "Basic platforms", text: "TensorFlow, Core ML, ONNX, OpenVINO and containers." },
  { value: "VAIDK", label: "Vision AI Developer Kit", text: "The camera kit, beside the basic platforms." },
] as const;

/** The target platforms in requests for a choice of `EXPORT_CAPABILITIES`. */
export function targetPlatforms(choice: string): "VAIDK"[] {
  return choice === "VAIDK" ? [choice] : [];
}

/** What a project is, in two words: "Object detection", "Multiclass classification", "Anomaly detection". */
export function kindOf(domain: Domain | undefined, classificationType: string): string {
  if (!domain) return "";
  if (detectsAnomalies(domain)) return "Anomaly detection";
  return domain.type === "ObjectDetection" ? "Object detection" : `${classificationType} classification`;
}

const SUBJECTS: readonly (readonly [prefix: string, text: string])[] = [
  ["Products on Shelves", "Products that stand close together on shelves."],
  ["Landmarks", "Landmarks, natural and built, that are clearly visible."],
  ["Retail", "Products in catalogs and shops: clothing, shoes, bags."],
  ["Adult", "Content that is not fit for children."],
  ["Food", "Dishes as they are on a menu, single fruits and vegetables."],
  ["Logo", "Logos of brands."],
  ["Anomaly detection", "Images of good parts alone are learned; what differs from them is found."],
  ["General (compact) [S1]", "Any objects; faster than General (compact)."],
  ["General", "Anything that no other domain fits."],
];

/**
 * A sentence on what a domain is for. Without a size of models: the one in the domains of the API is that of the
 * service's models, not of the files that this emulator exports.
 */
export function domainText(domain: Domain): string {
  return SUBJECTS.find(([prefix]) => domain.name.startsWith(prefix))?.[1] ?? "";
}
