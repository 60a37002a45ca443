"""Which networks can be trained. PyTorch, only in the worker."""

from __future__ import annotations

import logging

from emulator.vision.concurrency import single_threaded_operations
from emulator.vision.networks.graph import INPUT, Network
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.networks.torch_runner import run_operations
from emulator.vision.onnx_runtime import inference_session

_log = logging.getLogger(__name__)

# Largest number of weights of a user's network that is fine-tuned, which needs four times their memory; and
# the largest difference between PyTorch and ONNX Runtime, relative to the largest feature.
_MOST_WEIGHTS, _MOST_DIFFERENCE = 60_000_000, 1e-3


def is_trainable(network: Network) -> bool:
    """Whether PyTorch can train a network: it is small enough, and runs with the results of ONNX Runtime."""
    import numpy
    import torch

    if not network.has_nodes:
        return True
    if sum(weight.size for weight in network.weights.values()) > _MOST_WEIGHTS:
        return False
    side = network.resolution
    pixels = numpy.random.default_rng(0).integers(0, 256, (2, side, side, 3), numpy.uint8)
    weights = {name: torch.from_numpy(numpy.array(weight)) for name, weight in network.weights.items()}
    tensors = {INPUT: torch.from_numpy(pixels)}
    try:
        with torch.no_grad(), single_threaded_operations():
            run_operations(network.operations, weights, tensors)
    except (NotImplementedError, KeyError, RuntimeError) as error:
        _log.info("PyTorch cannot run the network: %r", error)
        return False
    features = tensors[network.output].numpy()[:1]
    (expected,) = inference_session(onnx_bytes(network, {}), threads=1).run(None, {INPUT: pixels[:1]})
    agree: bool = abs(features - expected).max() <= _MOST_DIFFERENCE * abs(expected).max()
    return bool(agree)
