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
    """Performance on one tag; all figures 0..1. `tag_index` counts the tags of the training."""

    tag_index: int
    precision: float
    precision_std: float
    recall: float
    recall_std: float
    average_precision: float


@dataclass(frozen=True)
class PerformanceFigures:
    """Performance on each tag and on all of them; all figures 0..1."""

    per_tag: list[TagFigures]
    precision: float
    precision_std: float
    recall: float
    recall_std: float
    average_precision: float


def safe_divide(part: int, whole: int) -> float:
    """part / whole, or 0 if whole is 0."""
    return float(part / whole) if whole else 0.0


def std_over_folds(parts_F: NDArray[numpy.integer], wholes_F: NDArray[numpy.integer]) -> float:
    """Standard deviation of parts / wholes over the folds whose whole is not 0."""
    defined = wholes_F > 0
    return float((parts_F[defined] / wholes_F[defined]).std()) if defined.any() else 0.0


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
