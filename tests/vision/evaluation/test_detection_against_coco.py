"""Average precision of detectors against faster-coco-eval, on cases of all kinds.

Both take, at each recall, the best precision from there on. They take it at 101 recalls, we at each that is
reached: so their precision at a recall must be that of our curve there. Where probabilities are equal they
rank boxes one after the other, we together: then theirs, ranked in any order, cannot lie below ours.
"""

import contextlib
import io
from typing import Any

import numpy
import pytest
from faster_coco_eval import COCO, COCOeval_faster
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.vision.boxes.box import BoxArrays
from emulator.vision.evaluation.detection import DetectionEvaluation

SIDE = 10_000
OVERLAP = 0.45


def made_up(images: int, objects: int, boxes: int, levels: int, seed: int) -> DetectionEvaluation:
    """Objects; boxes near them or anywhere; probabilities of `levels` distinct values, 0: all distinct."""
    random = numpy.random.default_rng(seed)

    def anywhere(count: int) -> numpy.ndarray:
        corners, sizes = random.uniform(0, 0.6, (count, 2)), random.uniform(0.1, 0.4, (count, 2))
        of = random.integers(0, (images, 2), (count, 2))
        return numpy.concatenate([of, corners, sizes], axis=1)

    truths, found = anywhere(objects), anywhere(boxes)
    if objects and boxes:
        near = random.random(boxes) < 0.7
        found[near] = truths[random.integers(0, objects, int(near.sum()))]
        found[near, 2:] += random.normal(0, 0.03, (int(near.sum()), 4))
        found[:, 4:] = found[:, 4:].clip(0.05)
    ranks = random.permutation(boxes) + 1
    probabilities = numpy.ceil(ranks / (boxes + 1) * levels) / levels if levels else ranks / (boxes + 1)
    return DetectionEvaluation(
        tuple(f"{image:064}" for image in range(images)),
        (numpy.arange(images) % 2).astype(numpy.int8),
        2,
        BoxArrays.of([tuple(row) for row in truths.tolist()]),
        BoxArrays.of([tuple(row) for row in found.tolist()]),
        probabilities.astype(numpy.float32),
    )


def their_precision(ours: DetectionEvaluation) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Precision at each of the recalls that COCO evaluates, (recalls, tags); and these recalls."""

    def annotations(boxes: BoxArrays, scores: numpy.ndarray | None) -> list[dict[str, Any]]:
        rows = zip(boxes.images.tolist(), boxes.tags.tolist(), boxes.ltwh.astype(float), strict=True)
        return [
            {
                "id": row + 1,
                "image_id": image + 1,
                "category_id": tag + 1,
                "bbox": (place * SIDE).tolist(),
                "area": float(place[2] * place[3]) * SIDE**2,
                "iscrowd": 0,
                **({} if scores is None else {"score": float(scores[row])}),
            }
            for row, (image, tag, place) in enumerate(rows)
        ]

    about = {
        "images": [{"id": image + 1, "width": SIDE, "height": SIDE} for image in range(ours.count)],
        "categories": [{"id": tag + 1, "name": str(tag)} for tag in range(ours.tag_count)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO({**about, "annotations": annotations(ours.truths, None)})
        found = COCO({**about, "annotations": annotations(ours.detections, ours.probabilities)})
        theirs = COCOeval_faster(truth, found, "bbox")
        theirs.params.iouThrs = numpy.array([OVERLAP])
        theirs.params.maxDets = [1000]
        theirs.params.areaRng, theirs.params.areaRngLbl = [[0, 1e12]], ["all"]
        theirs.evaluate()
        theirs.accumulate()
    return theirs.eval["precision"][0, :, :, 0, 0], theirs.params.recThrs


def precision_at(ours: DetectionEvaluation, tag: int, recalls: numpy.ndarray) -> numpy.ndarray:
    curve = ours.scored_predictions(OVERLAP).curve_of(tag)
    best = numpy.append(numpy.maximum.accumulate(curve.precision[::-1])[::-1], 0)
    return best[numpy.searchsorted(curve.recall, recalls)]


sizes = {"images": st.integers(1, 4), "objects": st.integers(0, 12), "boxes": st.integers(0, 25)}


@settings(max_examples=60)
@given(**sizes, seed=st.integers(0, 10_000))
def test_precision_is_theirs(images: int, objects: int, boxes: int, seed: int) -> None:
    ours = made_up(images, objects, boxes, 0, seed)
    precision, recalls = their_precision(ours)
    figures = ours.performance(0.5, OVERLAP)
    for tag in range(2):
        count = int((ours.truths.tags == tag).sum())
        if not count:  # they have no number for that
            assert set(precision[:, tag].tolist()) == {-1.0}
            assert figures.per_tag[tag].average_precision == 0
            continue
        assert precision_at(ours, tag, recalls) == pytest.approx(precision[:, tag], abs=1e-6)
        # Of 101 points and of all: apart by a step of recall at most.
        assert figures.per_tag[tag].average_precision == pytest.approx(
            precision[:, tag].mean(), abs=1 / count + 0.01
        )


@settings(max_examples=60)
@given(**sizes, seed=st.integers(0, 10_000), levels=st.integers(1, 4))
def test_with_equal_probabilities_theirs_is_not_below(
    images: int, objects: int, boxes: int, seed: int, levels: int
) -> None:
    ours = made_up(images, objects, boxes, levels, seed)
    precision, recalls = their_precision(ours)
    for tag in range(2):
        if (ours.truths.tags == tag).any():
            assert (precision[:, tag] >= precision_at(ours, tag, recalls) - 1e-6).all()


@settings(max_examples=60)
@given(**sizes, seed=st.integers(0, 10_000), levels=st.integers(1, 4))
def test_ours_is_theirs_with_wrong_ones_first_among_equals(
    images: int, objects: int, boxes: int, seed: int, levels: int
) -> None:
    """Ours is the minimum over all orders of detections with equal probabilities."""
    ours = made_up(images, objects, boxes, levels, seed)
    hits = ours.hits(OVERLAP)
    # What comes first is found first: the same boxes take the same objects in this order.
    order = numpy.lexsort((numpy.arange(boxes), -ours.probabilities))
    found = BoxArrays(
        *(part[order] for part in (ours.detections.images, ours.detections.tags, ours.detections.ltwh))
    )
    ranked = DetectionEvaluation(ours.keys, ours.folds, 2, ours.truths, found, ours.probabilities[order])
    assert ranked.hits(OVERLAP).tolist() == hits[order].tolist()
    for tag in range(2):
        of_tag = ours.detections.tags == tag
        right, probabilities = hits[of_tag], ours.probabilities[of_tag]
        worst = numpy.lexsort((right, -probabilities))
        count = int((ours.truths.tags == tag).sum())
        if not count or not len(right):
            continue
        correct = numpy.cumsum(right[worst])
        precision = correct / numpy.arange(1, len(worst) + 1)
        best = numpy.maximum.accumulate(precision[::-1])[::-1]
        area = float((right[worst] * best).sum() / count)
        assert ours.performance(0.5, OVERLAP).per_tag[tag].average_precision == pytest.approx(area)
