"""Scoring one image in the library: the entire call, from bytes to tags or boxes, over a bare call.

The bare call decodes the file with Pillow at a reduced scale, resizes it and runs the same model with ONNX
Runtime in the same number of threads, without postprocessing. Both are called alternately, so that other load
on the machine affects both. There is no server and no HTTP; for these see `prediction`. With one thread, as
in the server, the budget limits the thread's processor time; with two, the figures are wall time.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy
from PIL import Image

from bench.photographs import photographs
from bench.programs import BenchFailed
from bench.report import Measurement

ROUNDS = 200
WARM_UP = 10
THREADS = (1, 2)
CLASSIFIER_RATIO = 1.10
DETECTOR_RATIO = 1.15
LARGE = (4000, 3000)
# Classes of the published detector: enough for boxes in every photograph.
DETECTED_CLASSES = 10
_LABELS = ("apple", "pear", "plum")
_RESOLUTIONS = {"classifier": 224, "detector": 320}

Call = Callable[[bytes], Any]


def measure() -> Iterator[Measurement]:
    files = pictures()
    with tempfile.TemporaryDirectory() as folder:
        for kind, (path, budget) in models(Path(folder)).items():
            for threads in THREADS:
                ours, bare = whole_call(kind, path, threads), bare_call(path, threads)
                for name, data in files.items():
                    what = f"{kind}, {name}, {threads} thread(s)"
                    clock = time.thread_time if threads == 1 else time.perf_counter
                    yield _compared(what, ours, bare, data, clock, budget if threads == 1 else None)


def pictures() -> dict[str, bytes]:
    """A photograph as a JPEG of 100 KB, as a JPEG of 12 megapixels, and as a PNG."""
    photograph = photographs(2, 2)[0][0]
    with Image.open(BytesIO(photograph)) as image:
        large, png = BytesIO(), BytesIO()
        image.resize(LARGE, Image.Resampling.BICUBIC).save(large, "JPEG", quality=90)
        image.save(png, "PNG")
        width, height = image.size
    return {
        f"JPEG {width}x{height}": photograph,
        f"JPEG {LARGE[0]}x{LARGE[1]}": large.getvalue(),
        f"PNG {width}x{height}": png.getvalue(),
    }


def models(folder: Path) -> dict[str, tuple[Path, float]]:
    """Model files of a classifier and a detector, by kind, each with the budget of its ratio."""
    from emulator.vision.networks.weights import BaseWeightsMissing

    try:
        return {
            "classifier": (_classifier(folder), CLASSIFIER_RATIO),
            "detector": (_detector(folder), DETECTOR_RATIO),
        }
    except BaseWeightsMissing as error:
        raise BenchFailed(str(error)) from None


def whole_call(kind: str, path: Path, threads: int) -> Call:
    from emulator.vision.classification.session import ClassifierSession
    from emulator.vision.detection.session import DetectorSession

    return (ClassifierSession if kind == "classifier" else DetectorSession)(path, threads).score


def bare_call(path: Path, threads: int) -> Call:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    side = session.get_inputs()[0].shape[1]

    def score(data: bytes) -> Any:
        image = Image.open(BytesIO(data))
        image.draft("RGB", (side, side))
        pixels = numpy.asarray(image.convert("RGB").resize((side, side), Image.Resampling.BILINEAR))
        return session.run(None, {"image": pixels[None]})

    return score


def _compared(
    what: str, ours: Call, bare: Call, data: bytes, clock: Callable[[], float], budget: float | None
) -> Measurement:
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(ROUNDS + WARM_UP):
        # They alternate in going first, since the first one warms the processor's caches for the second.
        calls = (0, 1) if number % 2 else (1, 0)
        for which in calls:
            started = clock()
            (ours, bare)[which](data)
            if number >= WARM_UP:
                taken[which].append((clock() - started) * 1000)
    return Measurement(
        f"{what} ({_quartiles(taken[0])})",
        statistics.median(taken[0]),
        "ms",
        f"Pillow and ONNX Runtime alone ({_quartiles(taken[1])})",
        statistics.median(taken[1]),
        judged="ratio",
        at_most=budget,
        samples={"ours": taken[0], "bare": taken[1]},
    )


def _quartiles(values: list[float]) -> str:
    first, _, third = statistics.quantiles(values, n=4)
    return f"quartiles {first:.1f}, {third:.1f}"


def _classifier(folder: Path) -> Path:
    """The base network of classifiers, with a random head."""
    from emulator.vision.classification.head import FEATURE_LENGTH
    from emulator.vision.networks.graph import with_classifier
    from emulator.vision.networks.model_file import ModelMetadata
    from emulator.vision.networks.onnx_writer import onnx_bytes
    from emulator.vision.networks.weights import backbone_network

    resolution = _RESOLUTIONS["classifier"]
    weight = numpy.random.default_rng(0).normal(0, 0.1, (1280, len(_LABELS))).astype(numpy.float32)
    network = with_classifier(
        backbone_network("efficientnet-lite0", resolution),
        weight,
        numpy.zeros(len(_LABELS), numpy.float32),
        feature_length=FEATURE_LENGTH,
        multilabel=False,
    )
    metadata = ModelMetadata(labels=_LABELS, resolution=resolution, multilabel=False)
    path = folder / "classifier.onnx"
    path.write_bytes(onnx_bytes(network, metadata.to_properties()))
    return path


def _detector(folder: Path) -> Path:
    """The base network of detectors, with some of its own classes."""
    from emulator.vision.networks.model_file import ModelMetadata
    from emulator.vision.networks.nanodet import detection_network, published_weights
    from emulator.vision.networks.onnx_writer import onnx_bytes

    resolution = _RESOLUTIONS["detector"]
    weights = {
        name: weight[:DETECTED_CLASSES] if ".classes." in name else weight
        for name, weight in published_weights().items()
    }
    labels = tuple(f"tag {number}" for number in range(DETECTED_CLASSES))
    metadata = ModelMetadata(labels=labels, resolution=resolution)
    path = folder / "detector.onnx"
    path.write_bytes(onnx_bytes(detection_network(weights, resolution), metadata.to_properties()))
    return path
