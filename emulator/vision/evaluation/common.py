"""Common parts of the evaluations of classifiers and detectors: figures, files, and counts over folds.

Axes: F folds, T tags.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

T = TypeVar("T")

DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class TagFigures:
    """Performance on one tag; all figures 0..1. `tag_index` counts the tags of the training.

    predicted: number of predictions of the tag, without which precision is not defined; None: not known.
    """

    tag_index: int
    precision: float
    precision_std: float
    recall: float
    recall_std: float
    average_precision: float
    predicted: int | None = None


@dataclass(frozen=True)
class PerformanceFigures:
    """Performance on each tag and on all of them; all figures 0..1. predicted: as of `TagFigures`."""

    per_tag: list[TagFigures]
    precision: float
    precision_std: float
    recall: float
    recall_std: float
    average_precision: float
    predicted: int | None = None


def safe_divide(part: int, whole: int) -> float:
    """part / whole, or 0 if whole is 0."""
    return float(part / whole) if whole else 0.0


def std_over_folds(parts_F: NDArray[numpy.integer], wholes_F: NDArray[numpy.integer]) -> float:
    """Standard deviation of parts / wholes over the folds whose whole is not 0."""
    defined = wholes_F > 0
    return float((parts_F[defined] / wholes_F[defined]).std()) if defined.any() else 0.0


def performance_figures(
    correct_FT: NDArray[numpy.integer],
    predicted_FT: NDArray[numpy.integer],
    actual_FT: NDArray[numpy.integer],
    average_precision: Callable[[int], float],
) -> PerformanceFigures:
    """The figures of counts by fold and tag.

    Precision is correct / predicted and recall correct / actual; either is 0 if the denominator is 0. Over
    all tags both are computed from the sums of the counts, and average precision is the mean over the tags
    that occur. Standard deviations are over the folds, without folds whose denominator is 0.

    Args:
        average_precision: that of a tag.
    """
    import numpy

    per_tag = [
        TagFigures(
            tag_index=tag,
            precision=safe_divide(correct_FT[:, tag].sum(), predicted_FT[:, tag].sum()),
            precision_std=std_over_folds(correct_FT[:, tag], predicted_FT[:, tag]),
            recall=safe_divide(correct_FT[:, tag].sum(), actual_FT[:, tag].sum()),
            recall_std=std_over_folds(correct_FT[:, tag], actual_FT[:, tag]),
            average_precision=average_precision(tag),
            predicted=int(predicted_FT[:, tag].sum()),
        )
        for tag in range(actual_FT.shape[1])
    ]
    occurring = [per_tag[tag] for tag in numpy.flatnonzero(actual_FT.sum(axis=0))]
    return PerformanceFigures(
        per_tag=per_tag,
        precision=safe_divide(correct_FT.sum(), predicted_FT.sum()),
        precision_std=std_over_folds(correct_FT.sum(axis=1), predicted_FT.sum(axis=1)),
        recall=safe_divide(correct_FT.sum(), actual_FT.sum()),
        recall_std=std_over_folds(correct_FT.sum(axis=1), actual_FT.sum(axis=1)),
        average_precision=sum(tag.average_precision for tag in occurring) / max(1, len(occurring)),
        predicted=int(predicted_FT.sum()),
    )


def read_arrays(path: Path, kind: str, build: Callable[[Mapping[str, NDArray[Any]]], T]) -> T:
    """The result of `build` for the arrays of an `evaluation.npz`.

    Args:
        kind: of the file, for the message: "an evaluation of a detector".
        build: takes the arrays by name.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not such a file, or lacks an array that `build` needs.
    """
    from zipfile import BadZipFile

    import numpy

    try:
        with path.open("rb") as file, numpy.load(file, allow_pickle=False) as arrays:
            return build(arrays)
    except (AttributeError, BadZipFile, EOFError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path.name} is not {kind}: {error}") from error
