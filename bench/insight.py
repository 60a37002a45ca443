"""Confusion matrices and curves of 10,000 images compared with 1,000, and near-duplicates among 10,000.

Evaluations are synthetic: detectors with 10 tags, 4 objects and 8 predicted boxes per image, and classifiers
with 50 tags. Images are soft clouds of colour; every tenth is a re-encoded copy of the one before it. Times
are processor time of all threads, which does not include other programs.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy
from PIL import Image

from bench.programs import BenchFailed
from bench.report import Measurement, compared
from emulator.vision.boxes.box import BoxArrays
from emulator.vision.evaluation.classification import Evaluation
from emulator.vision.evaluation.confusion import confusion_of_classifier, confusion_of_detector
from emulator.vision.evaluation.detection import DetectionEvaluation

LARGE, SMALL = 10_000, 1_000
PICTURES = int(os.environ.get("BENCH_INSIGHT_PICTURES", "10000"))
TIMES = 5
_COPIED = 10
_SEARCH = """
import json, sys, time
from pathlib import Path
from emulator.vision.duplicates.find import find_near_duplicates
from emulator.vision.imaging.image_file import StoredImage
files = [StoredImage(*row) for row in json.load(open(sys.argv[1]))]
for _ in range(2):
    before = time.process_time()
    pairs = find_near_duplicates(files, Path(sys.argv[2]), lambda share, text: None)
    print(json.dumps([time.process_time() - before, sum(pair[2] >= 0.8 for pair in pairs)]))
try:
    import resource
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(most // (1024 * 1024 if sys.platform == "darwin" else 1024))
except ImportError:  # Windows
    print(0)
"""


def measure() -> Iterator[Measurement]:
    large, small = ((_detections(count), _classifications(count)) for count in (LARGE, SMALL))
    for name, ask in QUESTIONS.items():
        taken = [[_seconds(ask, *each) * 1000 for each in (large, small)] for _ in range(TIMES)]
        ours, theirs = zip(*taken, strict=True)
        yield compared(name, "ms", ours, "a tenth of the images", theirs)
    yield from _near_duplicates()


def _figures(detections: DetectionEvaluation, _: Evaluation) -> object:
    return detections.performance()


def _matrix(detections: DetectionEvaluation, _: Evaluation) -> object:
    return confusion_of_detector(detections, 0.5, 0.3).counts()


def _matrix_of_classifier(_: DetectionEvaluation, classifications: Evaluation) -> object:
    return confusion_of_classifier(classifications, 0.5).counts()


def _curves(detections: DetectionEvaluation, _: Evaluation) -> object:
    scored = detections.scored_predictions()
    return [scored.curve(), *(scored.curve_of(tag) for tag in range(detections.tag_count))]


def _curves_of_classifier(_: DetectionEvaluation, classifications: Evaluation) -> object:
    scored = classifications.scored_predictions()
    return [scored.curve(), *(scored.curve_of(tag) for tag in range(scored.actual_FT.shape[1]))]


QUESTIONS: dict[str, Callable[[DetectionEvaluation, Evaluation], object]] = {
    "performance figures of a detector": _figures,
    "confusion matrix of a detector": _matrix,
    "confusion matrix of a classifier": _matrix_of_classifier,
    "precision-recall curves of a detector": _curves,
    "precision-recall curves of a classifier": _curves_of_classifier,
}


def _seconds(ask: Callable[..., object], *given: Any) -> float:
    before = time.process_time()
    ask(*given)
    return time.process_time() - before


def _detections(images: int) -> DetectionEvaluation:
    random, tags = numpy.random.default_rng(0), 10
    of = random.integers(0, (images, tags), (4 * images, 2))
    corners, sizes = random.uniform(0, 0.6, (4 * images, 2)), random.uniform(0.1, 0.4, (4 * images, 2))
    objects = numpy.concatenate([of, corners, sizes], axis=1)
    boxes = numpy.repeat(objects, 2, axis=0)
    boxes[:, 2:] += random.normal(0, 0.03, (len(boxes), 4))
    boxes[:, 4:] = boxes[:, 4:].clip(0.05)

    def columns(rows: Any) -> BoxArrays:
        return BoxArrays(rows[:, 0].astype("i4"), rows[:, 1].astype("i4"), rows[:, 2:].astype("f4"))

    keys, folds = tuple(map(str, range(images))), (numpy.arange(images) % 5).astype(numpy.int8)
    probabilities = random.random(len(boxes)).astype(numpy.float32)
    return DetectionEvaluation(keys, folds, tags, columns(objects), columns(boxes), probabilities)


def _classifications(images: int) -> Evaluation:
    random = numpy.random.default_rng(0)
    return Evaluation(
        tuple(map(str, range(images))),
        (numpy.arange(images) % 5).astype(numpy.int8),
        random.random((images, 50)).astype(numpy.float32),
        random.random((images, 50)) < 0.05,
    )


def _near_duplicates() -> Iterator[Measurement]:
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for number in range(PICTURES):
            path = Path(folder) / f"{number}.jpg"
            path.write_bytes(_picture(number))
            rows.append((str(path), hashlib.sha256(path.read_bytes()).hexdigest()))
        listed = Path(folder) / "files.json"
        listed.write_text(json.dumps(rows), encoding="utf-8")
        command = [sys.executable, "-c", _SEARCH, str(listed), str(Path(folder) / "cache")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchFailed(done.stderr)
    first, again, megabytes = map(json.loads, done.stdout.splitlines())
    copies = PICTURES // _COPIED
    yield Measurement(f"near-duplicates among {PICTURES} pictures, never seen", first[0], "s")
    yield Measurement("the same again, thumbnails being there", again[0], "s")
    yield Measurement("most memory of that process", megabytes, "MB")
    yield Measurement("copies found", first[1], "", "copies there are", copies)


def _picture(number: int) -> bytes:
    """Images of which every tenth is a re-encoded copy of the one before it."""
    copied = number % _COPIED == _COPIED - 1
    random = numpy.random.default_rng(number - 1 if copied else number)
    coarse = Image.fromarray(random.integers(0, 255, (5, 5, 3), numpy.uint8)).resize((800, 600), 3)
    fine = Image.fromarray(random.integers(0, 255, (40, 40, 3), numpy.uint8)).resize((800, 600), 3)
    file = BytesIO()
    Image.blend(coarse, fine, 0.3).save(file, "JPEG", quality=50 if copied else 85)
    return file.getvalue()
