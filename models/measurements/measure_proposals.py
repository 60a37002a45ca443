"""Measure the share of objects in region proposals, for objects that no detector was trained on.

    python models/measurements/measure_proposals.py FOLDER [--set NAME ...] [--images 60] [--seeds 1]
        [--floors .03 ...]

FOLDER contains sets as for `measure_detection.py`. An object is found if one of the 10 (50) most confident
proposals for its image has an overlap (intersection over union) of at least .5, or .3 if stated. Proposals:

* published: those of the emulator, from the published network that all detectors start from. It was trained
  on 80 classes of everyday objects; classes that are tags of the set are disabled. Once for each confidence
  floor of `--floors`, the emulator's first;
* other tags: the boxes, of any tag, of a quick detector of all other tags of the set, trained on `--images`
  images with these (0: left out); objects of the omitted tag are not annotated in them;
* anywhere: random boxes with the sizes of the set's objects, for comparison.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import measuring
import numpy
from numpy.typing import NDArray

from emulator.vision.boxes.box import DetectedBox, TaggedBox, to_xyxy
from emulator.vision.boxes.geometry import detected_boxes, pairwise_iou
from emulator.vision.detection.dataset import BoxedImage, DetectionDataset
from emulator.vision.detection.proposals import (
    MAX_PROPOSALS,
    MIN_CONFIDENCE,
    ProposalSession,
    write_proposal_model,
)
from emulator.vision.detection.session import DetectorSession
from emulator.vision.detection.train import train_detector
from emulator.vision.imaging.decode import resize_to_square
from emulator.vision.networks.nanodet import DISTANCES, SCORES
from emulator.vision.recipes.recipes import QUICK_DETECTOR

MOST = (10, 50)
OVERLAPS = (0.5, 0.3)
HEADER = (
    "set",
    "tag left out",
    "objects",
    "proposals",
    "boxes an image",
    *(f"{most}, {at}" for at in OVERLAPS for most in MOST),
)
# Indexes of COCO's classes by name; only those that can be tags of a set.
KNOWN = {"banana": 46, "apple": 47, "orange": 49, "fork": 42, "scissors": 76}

Proposed = list[Sequence[DetectedBox]]


class Published(ProposalSession):
    """The emulator's proposals without some of the published classes, and with another floor."""

    def __init__(self, path: Path, without: Sequence[int], floor: float) -> None:
        super().__init__(path)
        self._without, self._floor = list(without), floor

    def score_pixels(self, pixels: NDArray[numpy.uint8]) -> list[DetectedBox]:
        scores_NPC, distances_NPD = self._session.run([SCORES, DISTANCES], {"image": pixels[None]})
        objectness_P1 = numpy.delete(scores_NPC[0], self._without, axis=1).max(axis=1, keepdims=True)
        boxes = detected_boxes(objectness_P1, distances_NPD[0], self.resolution)
        return [box for box in boxes if box.probability >= self._floor][:MAX_PROPOSALS]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--floors", type=float, nargs="+", default=[MIN_CONFIDENCE, 0.01, 0.02, 0.05])
    arguments = parser.parse_args()
    sets = [
        loaded
        for folder in sorted(arguments.folder.iterdir())
        if (not arguments.set or folder.name in arguments.set)
        and (loaded := measuring.load_boxes(folder)) is not None
    ]
    if not sets:
        print(f"{arguments.folder} has no set with boxes", file=sys.stderr)
        return 1
    print(measuring.row(HEADER))
    print(measuring.row(("---",) * len(HEADER)))
    with tempfile.TemporaryDirectory() as scratch:
        published = Path(scratch, "proposals.onnx")
        write_proposal_model(published, lambda share, step: None)
        for each in sets:
            for tag in range(len(each.tags)):
                _compare(each, tag, published, Path(scratch), arguments)
    return 0


def _compare(
    each: measuring.LabelledSet,
    tag: int,
    published: Path,
    scratch: Path,
    arguments: argparse.Namespace,
) -> None:
    images, seeds, floors = arguments.images, arguments.seeds, arguments.floors
    sought = [[box for box in image.boxes if box.tag_index == tag] for image in each.tested]
    known = [KNOWN[name] for name in each.tags if name in KNOWN]
    ways: dict[str, Callable[[int], Proposed]] = {
        **{
            f"published, floor {floor:g}": partial(_of_published, Published(published, known, floor), each)
            for floor in floors
        },
        "other tags": lambda seed: _of_other_tags(each, tag, images, seed, scratch),
        "anywhere": lambda seed: _anywhere(each, seed),
    }
    for name, propose in ways.items():
        if name == "other tags" and (not images or len(each.tags) == 1):
            continue
        count = 1 if name.startswith("published") else seeds
        proposed = [propose(seed) for seed in range(count)]
        shares = numpy.mean([_recalls(sought, boxes) for boxes in proposed], axis=0)
        boxes_each = numpy.mean([len(boxes) for one in proposed for boxes in one])
        cells = (
            each.name,
            each.tags[tag],
            sum(map(len, sought)),
            name,
            f"{boxes_each:.0f}",
            *(f"{share:.2f}" for share in shares),
        )
        print(measuring.row(cells), flush=True)


def _recalls(sought: Sequence[Sequence[TaggedBox]], proposed: Proposed) -> list[float]:
    """The share of objects found, for each column of the table."""
    best: list[list[float]] = [[] for _ in MOST]
    for objects, boxes in zip(sought, proposed, strict=True):
        for number, most in enumerate(MOST):
            some = boxes[:most]
            if objects and some:
                best[number] += pairwise_iou(to_xyxy(objects), to_xyxy(some)).max(axis=1).tolist()
            else:
                best[number] += [0.0] * len(objects)
    return [float(numpy.mean(numpy.array(values) >= at)) for at in OVERLAPS for values in best]


def _proposed(session: DetectorSession, images: Sequence[BoxedImage]) -> Proposed:
    return [session.score(Path(image.path).read_bytes()) for image in images]


def _of_published(session: Published, each: measuring.LabelledSet, seed: int) -> Proposed:
    return _proposed(session, each.tested)


def _of_other_tags(
    each: measuring.LabelledSet, left_out: int, most: int, seed: int, scratch: Path
) -> Proposed:
    order = numpy.random.default_rng(seed).permutation(len(each.training))
    # Tags are renumbered without a gap.
    images = [
        BoxedImage(
            image.path,
            image.key,
            tuple(
                TaggedBox(
                    box.tag_index - (box.tag_index > left_out), box.left, box.top, box.width, box.height
                )
                for box in image.boxes
                if box.tag_index != left_out
            ),
        )
        for image in (each.training[index] for index in order)
    ]
    learned = [image for image in images if image.boxes][:most]
    tags = tuple(name for number, name in enumerate(each.tags) if number != left_out)
    trained = train_detector(
        DetectionDataset(tuple(learned), tags),
        QUICK_DETECTOR,
        seed=seed,
        output=scratch,
        feature_cache=scratch / "features",
        progress=lambda share, step: None,
    )
    session = DetectorSession(trained.model_path)
    proposed: Proposed = []
    for image in each.tested:
        pixels = resize_to_square(Path(image.path).read_bytes(), session.resolution)
        scores_NPT, distances_NPD = session._session.run([SCORES, DISTANCES], {"image": pixels[None]})
        objectness_P1 = scores_NPT[0].max(axis=1, keepdims=True)
        proposed.append(detected_boxes(objectness_P1, distances_NPD[0], session.resolution))
    return proposed


def _anywhere(each: measuring.LabelledSet, seed: int) -> Proposed:
    generator = numpy.random.default_rng(seed)
    sizes = [(box.width, box.height) for image in each.training for box in image.boxes]
    proposed: Proposed = []
    for _ in each.tested:
        drawn = [sizes[index] for index in generator.integers(len(sizes), size=max(MOST))]
        proposed.append(
            [
                DetectedBox(
                    0,
                    1.0,
                    float(generator.uniform(0, max(0.0, 1 - width))),
                    float(generator.uniform(0, max(0.0, 1 - height))),
                    width,
                    height,
                )
                for width, height in drawn
            ]
        )
    return proposed


if __name__ == "__main__":
    sys.exit(main())
