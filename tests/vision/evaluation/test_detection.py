"""Figures of detectors, against two other ways to compute them."""

from pathlib import Path

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from emulator.vision.boxes.box import BoxArrays, DetectedBox
from emulator.vision.evaluation.detection import DetectionEvaluation, area_under_curve

Row = tuple[int, int, float, float, float, float]


def evaluation(
    truths: list[Row],
    detections: list[Row],
    probabilities: list[float],
    images: int = 4,
    tags: int = 3,
    folds: int = 2,
) -> DetectionEvaluation:
    return DetectionEvaluation(
        tuple(f"{image:064}" for image in range(images)),
        (numpy.arange(images) % folds).astype(numpy.int8),
        tags,
        BoxArrays.of(truths),
        BoxArrays.of(detections),
        numpy.array(probabilities, numpy.float32),
    )


def random_evaluation(seed: int, images: int = 12, tags: int = 3) -> DetectionEvaluation:
    """Most objects are detected, some twice, some inaccurately; some detections are false."""
    random = numpy.random.default_rng(seed)
    truths: list[Row] = []
    detections: list[Row] = []
    for image in range(images):
        for _ in range(random.integers(0, 5)):
            tag = int(random.integers(0, tags))
            place = [*random.uniform(0, 0.6, 2), *random.uniform(0.1, 0.4, 2)]
            truths.append((image, tag, *place))
            for _ in range(random.integers(0, 3)):
                shaken = numpy.array(place) + random.normal(0, 0.03, 4)
                detections.append((image, tag, *shaken[:2], *shaken[2:].clip(0.05)))
        for _ in range(random.integers(0, 3)):
            place = [*random.uniform(0, 0.6, 2), *random.uniform(0.1, 0.4, 2)]
            detections.append((image, int(random.integers(0, tags)), *place))
    probabilities = random.permutation(len(detections)) / len(detections)
    return evaluation(truths, detections, probabilities.tolist(), images, tags)


@pytest.mark.parametrize("overlap_threshold", [0.3, 0.5, 0.75])
@pytest.mark.parametrize("seed", range(4))
def test_against_the_tool_of_coco(seed: int, overlap_threshold: float) -> None:
    """pycocotools takes 101 points of the curve: its precision at each of them must be ours, exactly."""
    ours = random_evaluation(seed)
    truth, found = COCO(), COCO()
    side = 10_000
    truth.dataset = {
        "images": [{"id": image + 1} for image in range(ours.count)],
        "categories": [{"id": tag + 1} for tag in range(ours.tag_count)],
        "annotations": [
            {
                "id": number,
                "image_id": int(image) + 1,
                "category_id": int(tag) + 1,
                "bbox": (place.astype(float) * side).tolist(),
                "area": float(place[2] * place[3]) * side**2,
                "iscrowd": 0,
            }
            for number, (image, tag, place) in enumerate(
                zip(ours.truths.images, ours.truths.tags, ours.truths.ltwh, strict=True), 1
            )
        ],
    }
    found.dataset = {
        **truth.dataset,
        "annotations": [
            {
                "id": number,
                "image_id": int(image) + 1,
                "category_id": int(tag) + 1,
                "bbox": (place.astype(float) * side).tolist(),
                "area": float(place[2] * place[3]) * side**2,
                "iscrowd": 0,
                "score": float(score),
            }
            for number, (image, tag, place, score) in enumerate(
                zip(
                    ours.detections.images,
                    ours.detections.tags,
                    ours.detections.ltwh,
                    ours.probabilities,
                    strict=True,
                ),
                1,
            )
        ],
    }
    truth.createIndex()
    found.createIndex()
    theirs = COCOeval(truth, found, "bbox")
    theirs.params.iouThrs = numpy.array([overlap_threshold])
    theirs.params.maxDets = [1000]
    theirs.params.areaRng, theirs.params.areaRngLbl = [[0, 1e12]], ["all"]
    theirs.evaluate()
    theirs.accumulate()

    hits = ours.hits(overlap_threshold)
    figures = ours.performance(0.5, overlap_threshold)
    for tag in range(ours.tag_count):
        precision = theirs.eval["precision"][0, :, tag, 0, 0]
        of_tag = ours.detections.tags == tag
        objects = int((ours.truths.tags == tag).sum())
        order = numpy.argsort(-ours.probabilities[of_tag])
        correct = numpy.cumsum(hits[of_tag][order])
        curve = numpy.maximum.accumulate((correct / numpy.arange(1, len(correct) + 1))[::-1])[::-1]
        at = numpy.searchsorted(correct / objects, theirs.params.recThrs)
        expected = numpy.append(curve, 0)[at]
        numpy.testing.assert_allclose(precision, expected, atol=1e-9)
        assert figures.per_tag[tag].average_precision == pytest.approx(precision.mean(), abs=0.02)


grid = st.integers(0, 5)
placed = st.tuples(st.integers(0, 1), st.integers(0, 1), grid, grid, st.integers(1, 4), st.integers(1, 4))


@settings(deadline=None)
@given(
    st.lists(placed, max_size=6),
    st.lists(st.tuples(placed, st.integers(1, 99)), max_size=10, unique_by=lambda each: each[1]),
    st.sampled_from([0.3, 0.5]),
)
def test_against_the_definition(
    truths: list[tuple[int, ...]], found: list[tuple[tuple[int, ...], int]], overlap_threshold: float
) -> None:
    """On a grid, overlaps are ratios of small integers, and none equals these thresholds."""
    overlap_threshold += 0.001

    def cells(box: tuple[int, ...]) -> set[tuple[int, int]]:
        return {(x, y) for x in range(box[2], box[2] + box[4]) for y in range(box[3], box[3] + box[5])}

    free = list(range(len(truths)))
    ranked = sorted(found, key=lambda each: -each[1])
    hits = {}
    for box, percent in ranked:
        fitting = [
            (len(cells(box) & cells(truths[each])) / len(cells(box) | cells(truths[each])), -each)
            for each in free
            if truths[each][:2] == box[:2]
        ]
        best = max(fitting, default=(0.0, 0))
        hits[percent] = best[0] >= overlap_threshold
        if hits[percent]:
            free.remove(-best[1])

    ours = evaluation(
        [(image, tag, *(value / 10 for value in place)) for image, tag, *place in truths],
        [(box[0], box[1], *(value / 10 for value in box[2:])) for box, _ in found],
        [percent / 100 for _, percent in found],
        images=2,
        tags=2,
    )
    figures = ours.performance(0.5, overlap_threshold)

    assert ours.hits(overlap_threshold).tolist() == [hits[percent] for _, percent in found]
    shown = [percent for _, percent in found if numpy.float32(percent / 100) >= 0.5]
    correct = sum(hits[percent] for percent in shown)
    assert figures.precision == pytest.approx(correct / len(shown) if shown else 0)
    assert figures.recall == pytest.approx(correct / len(truths) if truths else 0)
    areas = []
    for tag in range(2):
        of_tag = [hits[percent] for box, percent in ranked if box[1] == tag]
        objects = sum(truth[1] == tag for truth in truths)
        area = 0.0
        for place, hit in enumerate(of_tag):
            if hit:
                later = range(place, len(of_tag))
                area += max(sum(of_tag[: end + 1]) / (end + 1) for end in later) / objects
        assert figures.per_tag[tag].average_precision == pytest.approx(area)
        areas += [area] if objects else []
    assert figures.average_precision == pytest.approx(sum(areas) / len(areas) if areas else 0)


@pytest.mark.parametrize("pairs", [1, 2, 7])
def test_matches_do_not_depend_on_the_size_of_batches(pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = random_evaluation(3, images=30, tags=2)
    whole = ours.match_detections(0.3)
    monkeypatch.setattr("emulator.vision.evaluation.detection._PAIRS_AT_A_TIME", pairs)
    assert ours.match_detections(0.3).tolist() == whole.tolist()
    assert (whole >= 0).sum() > 20


def test_a_second_box_on_one_object_is_a_miss() -> None:
    box = (0.1, 0.1, 0.4, 0.4)
    ours = evaluation([(0, 0, *box)], [(0, 0, *box), (0, 0, *box)], [0.6, 0.9])

    assert ours.hits().tolist() == [False, True]
    figures = ours.performance()
    assert (figures.precision, figures.recall) == (0.5, 1.0)
    assert figures.average_precision == 1.0


def test_a_box_of_another_tag_or_image_is_no_hit() -> None:
    box = (0.1, 0.1, 0.4, 0.4)
    ours = evaluation([(0, 0, *box)], [(0, 1, *box), (1, 0, *box)], [0.6, 0.9])

    assert not ours.hits().any()


def test_thresholds_of_probability_and_overlap() -> None:
    # Halves of each other: they overlap by exactly a half.
    ours = evaluation([(0, 0, 0.0, 0.0, 0.5, 0.5)], [(0, 0, 0.0, 0.0, 0.5, 0.25)], [0.5])

    assert ours.performance(0.5, 0.5).recall == 1
    assert ours.performance(0.5, 0.51).recall == 0
    assert ours.performance(0.51, 0.5).recall == 0


@pytest.mark.parametrize(("truths", "found"), [(0, 0), (1, 0), (0, 1)])
def test_nothing_there_or_nothing_found_gives_zeros(truths: int, found: int) -> None:
    box = (0, 0, 0.1, 0.1, 0.4, 0.4)
    ours = evaluation([box] * truths, [box] * found, [0.9] * found)

    figures = ours.performance()

    assert (figures.precision, figures.recall, figures.average_precision) == (0, 0, 0)
    assert [tag.tag_index for tag in figures.per_tag] == [0, 1, 2]


def test_deviations_are_those_of_the_folds() -> None:
    box = (0.1, 0.1, 0.4, 0.4)
    truths = [(image, 0, *box) for image in range(4)]
    # Fold 0 (images 0 and 2): both objects detected, and one false detection. Fold 1: one of two objects.
    found = [(0, 0, *box), (2, 0, *box), (2, 0, 0.6, 0.6, 0.2, 0.2), (1, 0, *box)]

    figures = evaluation(truths, found, [0.9, 0.9, 0.9, 0.9]).performance()

    assert (figures.precision, figures.recall) == pytest.approx((3 / 4, 3 / 4))
    assert figures.precision_std == pytest.approx(numpy.std([2 / 3, 1]))
    assert figures.recall_std == pytest.approx(numpy.std([1, 1 / 2]))
    assert figures.per_tag[0].recall_std == figures.recall_std
    assert figures.per_tag[1].recall_std == 0


def test_the_images_that_stand_for_all_are_a_fold_and_show_every_tag() -> None:
    box = (0.1, 0.1, 0.4, 0.4)

    ours = evaluation([(0, 0, *box), (3, 1, *box)], [], [], images=6, folds=3)

    assert ours.held_out() == [0, 3]
    assert evaluation([(0, 0, *box), (4, 1, *box)], [], [], images=6, folds=3).held_out() == [0, 3, 4]


def test_equal_probabilities_enter_together() -> None:
    probabilities = numpy.array([0.5, 0.5], numpy.float32)

    either_way = [
        area_under_curve(probabilities, numpy.array(found), 1) for found in ([True, False], [False, True])
    ]

    assert either_way == [0.5, 0.5]


def test_written_files_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "evaluation.npz"
    ours = random_evaluation(1)
    path.write_bytes(ours.content())

    read = DetectionEvaluation.load(path)

    assert (read.keys, read.tag_count, read.count) == (ours.keys, 3, 12)
    assert read.performance(0.4) == ours.performance(0.4)
    assert read.folds.tolist() == [0, 1] * 6
    row = int(numpy.flatnonzero(ours.detections.images == 3)[0])
    first = read.detected(3)[0]
    assert first == DetectedBox(
        int(ours.detections.tags[row]),
        float(ours.probabilities[row]),
        *ours.detections.ltwh[row].tolist(),
    )


@pytest.mark.parametrize("content", [b"", b"nothing", b"PK\x05\x06" + bytes(18)])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "evaluation.npz"
    path.write_bytes(content)

    with pytest.raises(ValueError, match="not an evaluation"):
        DetectionEvaluation.load(path)
