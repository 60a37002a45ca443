"""Predict an image with model.pth: python python/predict.py image.jpg"""

import json
import sys
from typing import Any

import torch
from image import FOLDER, load_image
from outputs import show
from torch import Tensor, nn
from torch.nn import functional


class ExportedNetwork(nn.Module):
    """The operations of network.json with the weights of model.pth.

    Takes one RGB image, float32 (1, height, width, 3), 0 to 255. Inside, images are (1, channels, height,
    width).
    """

    def __init__(self) -> None:
        super().__init__()
        content = json.loads((FOLDER / "network.json").read_text(encoding="utf-8"))
        self.operations = content["operations"]
        self.output_names = list(content["outputs"])
        self.weights: dict[str, Tensor] = torch.load(FOLDER / "model.pth", weights_only=True)

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        tensors = dict(self.weights)
        for operation in self.operations:
            inputs = [tensors.get(name, pixels) for name in operation["inputs"]]
            tensors[operation["output"]] = self.run(operation, inputs, tensors)
        return {name: tensors[name] for name in self.output_names}

    def run(self, operation: dict[str, Any], inputs: list[Tensor], tensors: dict[str, Tensor]) -> Tensor:
        first = inputs[0]
        match operation["kind"]:
            case "normalise":
                mean, scale = (
                    torch.tensor(operation.get(name, other))
                    for name, other in (("mean", 0.0), ("scale", 1.0))
                )
                return ((first - mean) * scale).permute(0, 3, 1, 2)
            case "convolution" | "depthwise_convolution":
                return convolve(operation, first, tensors)
            case "add" | "add_each":
                return inputs[0] + inputs[1]
            case "subtract":
                return inputs[0] - inputs[1]
            case "multiply":
                return inputs[0] * inputs[1]
            case "scale_rows":
                return inputs[0] * inputs[1].unsqueeze(1)
            case "divide":
                return inputs[0] / inputs[1]
            case "minimum":
                return torch.minimum(*inputs)
            case "maximum":
                return torch.maximum(*inputs)
            case "greater":
                return (inputs[0] > inputs[1]).float()
            case "matmul":
                return inputs[0] @ inputs[1]
            case "concatenate" | "join":
                return torch.cat(inputs, 1)
            case "max_pool":
                return functional.max_pool2d(first, 3, 2, 1)
            case "resize":
                size = round(first.shape[-1] * operation["factor"])
                return functional.interpolate(first, size=(size, size), mode="bilinear", align_corners=False)
            case "points":
                return torch.cat([image.flatten(2) for image in inputs], 2).transpose(1, 2)
            case "global_average":
                return first.mean((2, 3))
            case "channel_minimum":
                return first.amin(1, keepdim=True)
            case "l2_normalise":
                return functional.normalize(first, dim=1) * operation.get("scale", 1.0)
            case "dense":
                return first @ tensors[operation["weight"]] + tensors[operation["bias"]]
            case "reshape":
                return first.reshape(operation["shape"])
            case "slice":
                begin, end = operation["span"]
                return first[:, begin:end]
            case "transpose":
                return first.T
            case "gather":
                return first[inputs[1].long()]
            case "softmax":
                return first.softmax(-1)
            case "top_k" | "top_k_places":
                order = torch.sort(first, descending=True, stable=True)
                chosen = order.values if operation["kind"] == "top_k" else order.indices.float()
                return chosen[: operation["count"]]
            case "integers":
                return first.long()
            case kind:
                result: Tensor = getattr(torch, kind)(first)  # sigmoid, exp, log, abs, floor, sqrt
                return result


def convolve(operation: dict[str, Any], image: Tensor, tensors: dict[str, Tensor]) -> Tensor:
    """A convolution and its activation."""
    weight, bias = tensors[operation["weight"]], tensors[operation["bias"]]
    kernel, stride = weight.shape[-1], operation.get("stride", 1)
    if operation.get("centred"):
        before = after = kernel // 2
    else:
        side = image.shape[-1]
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        before, after = total // 2, total - total // 2
    padded = functional.pad(image, [before, after, before, after])
    groups = len(weight) if operation["kind"] == "depthwise_convolution" else 1
    output = functional.conv2d(padded, weight, bias, stride, groups=groups)
    if operation.get("relu6"):
        return functional.relu6(output)
    leak = operation.get("leak")
    return output if leak is None else functional.leaky_relu(output, leak)


def main() -> None:
    with torch.inference_mode():
        outputs = ExportedNetwork()(torch.from_numpy(load_image(sys.argv[1])))
    show({name: value.numpy() for name, value in outputs.items()})


if __name__ == "__main__":
    main()
