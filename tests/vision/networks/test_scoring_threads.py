"""The number of threads of a run has no effect on the result of a prediction."""

import numpy
import pytest

from emulator.vision.imaging.decode import resize_to_square
from emulator.vision.networks.graph import INPUT, Network
from emulator.vision.networks.nanodet import detection_network, published_weights
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.networks.weights import backbone_network
from emulator.vision.onnx_runtime import inference_session, scoring_threads
from tests.support.vision.images import encoded, photograph

NETWORKS = {
    "classifier": lambda: backbone_network("efficientnet-lite0", 224),
    "detector": lambda: detection_network(published_weights(), 320),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_outputs_have_the_same_bits_with_any_number_of_threads(kind: str) -> None:
    network: Network = NETWORKS[kind]()
    pixels = resize_to_square(encoded(photograph()), network.resolution)[None]
    expected = inference_session(onnx_bytes(network, {}), threads=1).run(None, {INPUT: pixels})
    for threads in (2, 3, 4):
        found = inference_session(onnx_bytes(network, {}), threads).run(None, {INPUT: pixels})
        for one, other in zip(found, expected, strict=True):
            assert numpy.array_equal(one, other), threads


@pytest.mark.parametrize(("processors", "threads"), [(1, 1), (2, 2), (4, 4), (64, 4)])
def test_a_run_uses_the_processors_up_to_four(
    processors: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: processors)
    assert scoring_threads() == threads
