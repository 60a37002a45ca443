"""Measure size, conversion time and scoring time of torchvision's networks as networks of a user.

    python models/measurements/measure_backbones.py NAME ... [--resolution 224]

Weights are random; the figures do not depend on them. Columns: architecture; millions of parameters of the
converted network; features; processor seconds of the conversion; processor milliseconds per image.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy
from measure import row

from emulator.vision import _torchvision
from emulator.vision.backbones.from_torch import convert
from emulator.vision.backbones.torchvision_networks import load_network
from emulator.vision.networks.graph import INPUT
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.onnx_runtime import inference_session

RUNS = 20


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="+")
    parser.add_argument("--resolution", type=int, default=224)
    arguments = parser.parse_args()
    print(row(("architecture", "million parameters", "features", "conversion s", "ms per image")))
    print(row(("---",) * 5))
    for name in arguments.name:
        print(row(measured(name, arguments.resolution)), flush=True)


def measured(name: str, resolution: int) -> tuple[object, ...]:
    state = dict(_torchvision.load().models.get_model(name, weights=None).state_dict())
    brought = load_network(Path("weights"), state, architecture=name, resolution=resolution)
    started = time.process_time()
    network = convert(brought)
    seconds = time.process_time() - started
    session = inference_session(onnx_bytes(network, {}), threads=1)
    image = numpy.zeros((1, resolution, resolution, 3), numpy.uint8)
    times = []
    for _ in range(RUNS):
        started = time.process_time()
        session.run(None, {INPUT: image})
        times.append(time.process_time() - started)
    (width,) = network.outputs[network.output]
    numbers = sum(weight.size for weight in network.weights.values()) / 1e6
    return name, f"{numbers:.1f}", width, f"{seconds:.0f}", f"{numpy.median(times) * 1000:.0f}"


if __name__ == "__main__":
    main()
