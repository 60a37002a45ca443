/** What an iteration can be exported as: platforms and flavors, and how each file is used. */
import type { Domain } from "../../../api/queries/projects";

export interface Flavor {
  /** As in requests; null for the default of the platform. */
  flavor: string | null;
  label: string;
}

export interface Platform {
  platform: string;
  label: string;
  /** How the file is used. */
  use: string;
  flavors: readonly Flavor[];
  /** The service has no such platform: models of every compact domain can be exported to it. */
  addition?: boolean;
}

const PLATFORMS: readonly Platform[] = [
  {
    platform: "ONNX",
    label: "ONNX",
    use: "Load model.onnx with ONNX Runtime or Windows ML; python/predict.py in the zip shows how.",
    flavors: [
      { flavor: null, label: "Opset 12, no flavor in the request" },
      { flavor: "ONNX12", label: "Opset 12, flavor ONNX12" },
      { flavor: "ONNX10", label: "Opset 10, flavor ONNX10: older runtimes" },
      { flavor: "OnnxFloat16", label: "16-bit weights" },
      { flavor: "OnnxInt8", label: "8-bit weights (this emulator only)" },
    ],
  },
  {
    platform: "TensorFlow",
    label: "TensorFlow",
    use: "For Python, Android and browsers; python/predict.py in the zip shows how.",
    flavors: [
      { flavor: null, label: "Frozen graph, no flavor in the request" },
      { flavor: "TensorFlowNormal", label: "Frozen graph, flavor TensorFlowNormal" },
      { flavor: "TensorFlowLite", label: "TensorFlow Lite: Android, embedded" },
      { flavor: "TensorFlowLiteFloat16", label: "TensorFlow Lite, 16-bit weights" },
      { flavor: "TensorFlowSavedModel", label: "SavedModel: TensorFlow Serving" },
      { flavor: "TensorFlowJs", label: "TensorFlow.js: browsers" },
    ],
  },
  {
    platform: "CoreML",
    label: "Core ML",
    use: "Add model.mlmodel to an Xcode project and use it with the Vision framework of iOS or macOS.",
    flavors: [
      { flavor: null, label: "32-bit weights" },
      { flavor: "CoreMLFloat16", label: "16-bit weights" },
    ],
  },
  {
    platform: "OpenVino",
    label: "OpenVINO",
    use: "Load model.xml with OpenVINO on Intel processors and accelerators.",
    flavors: [
      { flavor: null, label: "With post-processing" },
      { flavor: "NoPostProcess", label: "Raw outputs" },
    ],
  },
  {
    platform: "DockerFile",
    label: "Container",
    use: "Build the image with docker build, run it with port 80 published, and POST an image to /image.",
    flavors: [
      { flavor: null, label: "Linux, no flavor in the request" },
      { flavor: "Linux", label: "Linux, flavor Linux" },
      { flavor: "Windows", label: "Windows" },
      { flavor: "ARM", label: "ARM: Raspberry Pi" },
    ],
  },
  {
    platform: "VAIDK",
    label: "Vision AI Developer Kit",
    use: "For the camera of the developer kit: model.tflite and its configuration.",
    flavors: [{ flavor: null, label: "Camera" }],
  },
  {
    platform: "Torch",
    label: "PyTorch (this emulator only)",
    use: "Weights by name and the list of operations; python/predict.py builds a PyTorch module from them.",
    flavors: [{ flavor: "TorchStateDict", label: "State dictionary" }],
    addition: true,
  },
];

/** The platforms that iterations of a domain can be exported to; none for domains that are not compact. */
export function platformsOf(domain: Domain | undefined): readonly Platform[] {
  if (!domain?.exportable) return [];
  const platforms: readonly string[] = domain.exportablePlatforms;
  return PLATFORMS.filter((each) => (each.addition ?? false) || platforms.includes(each.platform));
}
