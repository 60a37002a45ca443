"""Compare scoring in int8 with scoring in float32, for models of trainings.

    python models/measurements/measure_int8.py FOLDER [--seeds 3] [--set NAME ...]
        [--kind tags|boxes] [--images 64]

FOLDER contains sets as for `measure.py` and `measure_detection.py`. A quick classifier and, if the set has
boxes, a quick detector are trained on all training images with the emulator's functions. ONNX Runtime
quantizes each model statically: weights in int8 with one scale per output channel, activations in uint8 with
their ranges on some of the training images, quantized and dequantized at the edges of each operation (QDQ).
Both models score the test images. The table has means over the seeds, float32 / int8:

* figure: accuracy, mAP (several tags per image) or AP50 (boxes), as defined in the other scripts;
* log loss (tags) and calibration error: as in the other scripts;
* agreement: share of test images (with boxes: of detections of at least .5) with the same prediction;
* ms: median time to run the model on one image, in one thread and in two, alternating between the models;
* MB: size of the file. s: seconds of the quantization.

The last lines have the means over the sets, and standard errors of the differences over sets and seeds.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import measuring
import numpy

from emulator.vision.boxes.box import DetectedBox, to_xyxy
from emulator.vision.boxes.geometry import pairwise_iou
from emulator.vision.classification.dataset import ClassificationDataset, LabelledImage
from emulator.vision.classification.session import ClassifierSession
from emulator.vision.classification.train import train_classifier
from emulator.vision.detection.dataset import BoxedImage, DetectionDataset
from emulator.vision.detection.session import DetectorSession
from emulator.vision.detection.train import train_detector
from emulator.vision.imaging.decode import resize_to_square
from emulator.vision.onnx_runtime import inference_session
from emulator.vision.recipes.recipes import QUICK, QUICK_DETECTOR

THREADS = (1, 2)
RUNS = 60
SURE = 0.5
HEADER = (
    "set",
    "kind",
    "figure",
    "",
    "log loss",
    "calibration error",
    "agreement",
    "ms, 1 thread",
    "ms, 2",
    "MB",
    "s",
)


@dataclass(frozen=True)
class Result:
    """Pairs are float32, int8. milliseconds: for each of `THREADS`."""

    name: str
    kind: str
    figure: str
    quality: tuple[float, float]
    log_loss: tuple[float, float] | None
    calibration_error: tuple[float, float]
    agreement: float
    milliseconds: tuple[tuple[float, float], ...]
    megabytes: tuple[float, float]
    seconds: float


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--kind", choices=list(KINDS), action="append", default=[])
    parser.add_argument("--images", type=int, default=64, help="images that activation ranges come from")
    arguments = parser.parse_args()
    logging.getLogger().setLevel(logging.ERROR)
    print(measuring.row(HEADER))
    print(measuring.row(("---",) * len(HEADER)))
    results: list[list[Result]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for folder in sorted(arguments.folder.iterdir()):
            if arguments.set and folder.name not in arguments.set:
                continue
            for kind in arguments.kind or KINDS:
                of_seeds = [
                    result
                    for seed in range(arguments.seeds)
                    if (result := KINDS[kind](folder, seed, Path(scratch), arguments.images)) is not None
                ]
                if of_seeds:
                    results.append(of_seeds)
                    print(_row(of_seeds), flush=True)
    if not results:
        print(f"{arguments.folder} has no sets", file=sys.stderr)
        return 1
    _print_summary(results)
    return 0


def classifier(folder: Path, seed: int, scratch: Path, pictures: int) -> Result | None:
    if not (folder / "labels.jsonl").is_file():
        return None
    photographs = measuring.load(folder)
    tags = sorted({tag for photograph in photographs for tag in photograph.tags})
    multilabel = any(len(photograph.tags) != 1 for photograph in photographs)
    learned = [
        LabelledImage(
            str(one.path),
            hashlib.sha256(one.path.read_bytes()).hexdigest(),
            tuple(tags.index(tag) for tag in one.tags),
        )
        for one in photographs
        if one.for_training
    ]
    tested = [one for one in photographs if not one.for_training]
    trained = train_classifier(
        ClassificationDataset(tuple(learned), tuple(tags), multilabel),
        QUICK,
        seed=seed,
        output=scratch / "model",
        feature_cache=scratch / "features",
        progress=lambda share, step: None,
    )
    pixels = _pixels(learned, QUICK.resolution, pictures, seed)
    smaller, seconds = quantised(trained.model_path, pixels)
    scores = [
        numpy.array([session.score(one.path.read_bytes()) for one in tested])
        for session in (ClassifierSession(trained.model_path), ClassifierSession(smaller))
    ]
    targets_NT = numpy.array([[tag in one.tags for tag in tags] for one in tested])
    quality = measuring.mean_average_precision if multilabel else measuring.accuracy
    if multilabel:
        agreement = ((scores[0] >= SURE) == (scores[1] >= SURE)).all(axis=1).mean()
    else:
        agreement = (scores[0].argmax(axis=1) == scores[1].argmax(axis=1)).mean()
    return Result(
        folder.name,
        "tags",
        "mAP" if multilabel else "accuracy",
        _pair(quality(each, targets_NT) for each in scores),
        _pair(measuring.log_loss(each, targets_NT, multilabel) for each in scores),
        _pair(measuring.calibration_error(each, targets_NT, multilabel) for each in scores),
        float(agreement),
        _milliseconds(trained.model_path, smaller, pixels[:1]),
        _megabytes(trained.model_path, smaller),
        seconds,
    )


def detector(folder: Path, seed: int, scratch: Path, pictures: int) -> Result | None:
    loaded = measuring.load_boxes(folder)
    if loaded is None:
        return None
    trained = train_detector(
        DetectionDataset(loaded.training, loaded.tags),
        QUICK_DETECTOR,
        seed=seed,
        output=scratch / "model",
        feature_cache=scratch / "features",
        progress=lambda share, step: None,
    )
    pixels = _pixels(loaded.training, QUICK_DETECTOR.resolution, pictures, seed)
    smaller, seconds = quantised(trained.model_path, pixels)
    found = [
        [session.score(Path(image.path).read_bytes()) for image in loaded.tested]
        for session in (DetectorSession(trained.model_path), DetectorSession(smaller))
    ]
    evaluations = [measuring.evaluation(loaded.tested, len(loaded.tags), each) for each in found]
    return Result(
        folder.name,
        "boxes",
        "AP50",
        _pair(each.performance(overlap_threshold=0.5).average_precision for each in evaluations),
        None,
        _pair(measuring.error_of_predictions(each.probabilities, each.hits()) for each in evaluations),
        _same_boxes(*found),
        _milliseconds(trained.model_path, smaller, pixels[:1]),
        _megabytes(trained.model_path, smaller),
        seconds,
    )


def quantised(model_path: Path, pixels: numpy.ndarray) -> tuple[Path, float]:
    """The quantized model, beside the original, and the seconds taken. pixels: uint8 (N, side, side, 3)."""
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left = iter(pixels)

        def get_next(self) -> dict[str, Any] | None:
            picture = next(self._left, None)
            return None if picture is None else {"image": picture[None]}

    path = model_path.with_suffix(".int8.onnx")
    started = time.perf_counter()
    quantize_static(
        model_path,
        path,
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax,
    )
    return path, time.perf_counter() - started


def _pixels(
    images: Sequence[LabelledImage | BoxedImage], resolution: int, most: int, seed: int
) -> numpy.ndarray:
    chosen = numpy.random.default_rng(seed).permutation(len(images))[:most]
    files = [Path(images[index].path) for index in chosen]
    return numpy.stack([resize_to_square(path.read_bytes(), resolution) for path in files])


def _milliseconds(model_path: Path, smaller: Path, pixels: numpy.ndarray) -> tuple[tuple[float, float], ...]:
    pairs = []
    for threads in THREADS:
        sessions = [inference_session(path.read_bytes(), threads) for path in (model_path, smaller)]
        taken: list[list[float]] = [[], []]
        for number in range(RUNS):
            for session, times in zip(sessions, taken, strict=True):
                started = time.perf_counter()
                session.run(None, {"image": pixels})
                if number >= RUNS // 10:
                    times.append((time.perf_counter() - started) * 1000)
        pairs.append(_pair(statistics.median(times) for times in taken))
    return tuple(pairs)


def _same_boxes(first: Sequence[Sequence[DetectedBox]], second: Sequence[Sequence[DetectedBox]]) -> float:
    """Share of confident boxes of either model that the other also has: same tag, overlap at least .5."""
    same = total = 0
    for one, other in [*zip(first, second, strict=True), *zip(second, first, strict=True)]:
        sure = [box for box in one if box.probability >= SURE]
        total += len(sure)
        for box in sure:
            rivals = [
                rival for rival in other if rival.tag_index == box.tag_index and rival.probability >= SURE / 2
            ]
            if rivals:
                same += pairwise_iou(to_xyxy([box]), to_xyxy(rivals)).max() >= SURE
    return same / total if total else 1.0


def _megabytes(*paths: Path) -> tuple[float, float]:
    return _pair(path.stat().st_size / 1e6 for path in paths)


def _pair(values: Iterator[Any]) -> tuple[float, float]:
    first, second = values
    return float(first), float(second)


def _row(results: Sequence[Result]) -> str:
    first = results[0]

    def mean(pairs: Sequence[tuple[float, float]], digits: int) -> str:
        return " / ".join(f"{value:.{digits}f}" for value in numpy.mean(pairs, axis=0))

    return measuring.row(
        (
            first.name,
            first.kind,
            first.figure,
            mean([result.quality for result in results], 3),
            mean([result.log_loss for result in results if result.log_loss], 3) if first.log_loss else "",
            mean([result.calibration_error for result in results], 3),
            f"{statistics.mean(result.agreement for result in results):.3f}",
            *(mean([result.milliseconds[index] for result in results], 1) for index in range(len(THREADS))),
            mean([result.megabytes for result in results], 1),
            f"{statistics.mean(result.seconds for result in results):.0f}",
        )
    )


def _print_summary(results: Sequence[Sequence[Result]]) -> None:
    for kind in ("tags", "boxes"):
        chosen = [result for of_seeds in results for result in of_seeds if result.kind == kind]
        if not chosen:
            continue
        for what, pairs in (
            ("figure", [result.quality for result in chosen]),
            ("log loss", [result.log_loss for result in chosen if result.log_loss]),
            ("calibration error", [result.calibration_error for result in chosen]),
        ):
            if not pairs:
                continue
            change = numpy.array([after - before for before, after in pairs])
            error = change.std(ddof=1) / len(change) ** 0.5 if len(change) > 1 else float("nan")
            print(f"\n{kind}, {what}: {change.mean():+.4f} with int8 (standard error {error:.4f})", end="")
        for index, threads in enumerate(THREADS):
            shares = [result.milliseconds[index][1] / result.milliseconds[index][0] for result in chosen]
            print(f"\n{kind}, {threads} thread(s): {statistics.median(shares):.2f} of the time", end="")
    print()


KINDS = {"tags": classifier, "boxes": detector}

if __name__ == "__main__":
    sys.exit(main())
