"""The figures agree with those of scikit-learn, and are numbers in every corner case."""

import warnings
from pathlib import Path

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import metrics as sklearn_metrics

from emulator.vision.evaluation.classification import Evaluation, average_precision


def evaluation(probabilities: numpy.ndarray, targets: numpy.ndarray) -> Evaluation:
    count = len(targets)
    return Evaluation(
        keys=tuple(f"{number:064x}" for number in range(count)),
        folds=(numpy.arange(count) % 5).astype(numpy.int8),
        probabilities_NT=probabilities.astype(numpy.float32),
        targets_NT=targets.astype(bool),
    )


def made_up(count: int = 200, tags: int = 4, seed: int = 0) -> Evaluation:
    random = numpy.random.default_rng(seed)
    targets = random.random((count, tags)) < 0.3
    # Rounded, so that there are equal probabilities.
    return evaluation((targets * 0.3 + random.random((count, tags)) * 0.7).round(2), targets)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.77, 0.9])
def test_figures_agree_with_scikit_learn(threshold: float) -> None:
    measured = made_up()
    predicted = measured.probabilities_NT >= threshold

    figures = measured.performance(threshold)

    def of(scorer, average, rows=slice(None)):
        return scorer(measured.targets_NT[rows], predicted[rows], average=average, zero_division=0)

    precision, recall = sklearn_metrics.precision_score, sklearn_metrics.recall_score
    assert [tag.tag_index for tag in figures.per_tag] == [0, 1, 2, 3]
    assert [tag.precision for tag in figures.per_tag] == pytest.approx(of(precision, None))
    assert [tag.recall for tag in figures.per_tag] == pytest.approx(of(recall, None))
    assert figures.precision == pytest.approx(of(precision, "micro"))
    assert figures.recall == pytest.approx(of(recall, "micro"))
    per_tag = sklearn_metrics.average_precision_score(
        measured.targets_NT, measured.probabilities_NT, average=None
    )
    assert [tag.average_precision for tag in figures.per_tag] == pytest.approx(per_tag)
    assert figures.average_precision == pytest.approx(per_tag.mean())


def test_deviations_are_those_over_the_folds() -> None:
    measured = made_up()

    figures = measured.performance(0.5)

    by_fold = [
        evaluation(measured.probabilities_NT[rows], measured.targets_NT[rows]).performance(0.5)
        for rows in (measured.folds == fold for fold in range(5))
    ]
    assert figures.precision_std == pytest.approx(numpy.std([each.precision for each in by_fold]))
    assert figures.recall_std == pytest.approx(numpy.std([each.recall for each in by_fold]))
    tag = figures.per_tag[2]
    assert tag.precision_std == pytest.approx(numpy.std([each.per_tag[2].precision for each in by_fold]))
    assert tag.recall_std == pytest.approx(numpy.std([each.per_tag[2].recall for each in by_fold]))


@given(
    arrays.arrays(numpy.float32, st.integers(1, 40), elements=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])),
    st.data(),
)
def test_average_precision_agrees_with_scikit_learn(scores: numpy.ndarray, data: st.DataObject) -> None:
    targets = numpy.array(data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores))))
    if targets.any():
        expected = sklearn_metrics.average_precision_score(targets, scores)
    else:
        expected = 0

    assert average_precision(scores, targets) == pytest.approx(expected)


def test_perfect_predictions() -> None:
    targets = numpy.eye(2)[[0, 1] * 10]

    figures = evaluation(targets * 0.9 + 0.05, targets).performance()

    assert (figures.precision, figures.recall, figures.average_precision) == (1, 1, 1)
    assert (figures.precision_std, figures.recall_std) == (0, 0)


def test_where_nothing_is_predicted_precision_is_zero() -> None:
    targets = numpy.eye(2)[[0, 1] * 10]

    figures = evaluation(targets * 0.2 + 0.4, targets).performance(threshold=0.99)

    assert (figures.precision, figures.precision_std, figures.recall) == (0, 0, 0)
    assert figures.average_precision == 1


def test_a_threshold_is_inclusive() -> None:
    targets = numpy.array([[1, 0]])

    assert evaluation(numpy.array([[0.5, 0.5]]), targets).performance(0.5).precision == 0.5


def test_a_tag_without_images_does_not_count_in_the_mean() -> None:
    targets = numpy.array([[1, 0], [0, 0]])

    figures = evaluation(numpy.array([[0.9, 0.3], [0.2, 0.4]]), targets).performance()

    assert figures.per_tag[1].average_precision == 0
    assert figures.average_precision == 1


@given(st.integers(0, 12), st.floats(0, 1), st.integers(0, 1000))
def test_every_figure_is_a_share(count: int, threshold: float, seed: int) -> None:
    random = numpy.random.default_rng(seed)
    measured = evaluation(random.random((count, 3)), random.random((count, 3)) < 0.2)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures = measured.performance(threshold)

    numbers = [getattr(figures, name) for name in ("precision", "recall", "average_precision")]
    for tag in figures.per_tag:
        numbers += [tag.precision, tag.precision_std, tag.recall, tag.recall_std, tag.average_precision]
    assert all(type(number) is float and 0 <= number <= 1 for number in numbers)


def test_the_evaluation_set_is_one_fold() -> None:
    measured = made_up()

    assert measured.held_out() == list(range(0, 200, 5))


def test_the_evaluation_set_has_every_tag() -> None:
    targets = numpy.zeros((10, 2))
    targets[:9, 0] = 1
    targets[7, 1] = 1

    assert evaluation(targets, targets).held_out() == [0, 5, 7]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"no archive at all"])
def test_a_file_that_is_no_evaluation_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "evaluation.npz"
    path.write_bytes(content)

    with pytest.raises(ValueError, match=r"evaluation\.npz"):
        Evaluation.load(path)


def test_an_archive_of_other_things_is_refused(tmp_path: Path) -> None:
    numpy.savez(tmp_path / "evaluation.npz", something=numpy.zeros(3))

    with pytest.raises(ValueError, match="is not an evaluation"):
        Evaluation.load(tmp_path / "evaluation.npz")
