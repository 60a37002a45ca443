"""The performance of pulled iterations, as the service reported it for some thresholds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlmodel import Session, col, select

from emulator.store.tables import Iteration, PerformanceRecord

if TYPE_CHECKING:
    from emulator.vision.evaluation.common import PerformanceFigures

# Precision, recall and average precision of a tag, or of all, with the standard deviations of the first two.
_FIGURES = ("precision", "precisionStdDeviation", "recall", "recallStdDeviation", "averagePrecision")
_SAME = 1e-4


def to_record(response: dict[str, Any]) -> dict[str, Any]:
    """The figures of a response of the service, as a value of `PerformanceRecord.figures`."""
    return {
        "total": [response[name] for name in _FIGURES],
        "tags": {
            tag["id"]: [tag[name] for name in _FIGURES] for tag in response.get("perTagPerformance") or ()
        },
    }


class RecordedFigures(NamedTuple):
    """The performance for the thresholds of a request; None where it had none."""

    threshold: float | None
    overlap_threshold: float | None
    figures: "PerformanceFigures"


def all_figures(session: Session, iteration: Iteration) -> list[RecordedFigures]:
    """All that was recorded of an iteration, in the order of the thresholds, without thresholds first."""
    return [
        RecordedFigures(row.threshold, row.overlap_threshold, _performance(iteration, row.figures))
        for row in _rows(session, iteration)
    ]


def _rows(session: Session, iteration: Iteration) -> Sequence[PerformanceRecord]:
    of_iteration = PerformanceRecord.iteration_id == iteration.id
    order = col(PerformanceRecord.threshold), col(PerformanceRecord.overlap_threshold)
    return session.exec(select(PerformanceRecord).where(of_iteration).order_by(*order)).all()


def figures(
    session: Session,
    iteration: Iteration,
    threshold: float,
    overlap_threshold: float | None,
    *,
    is_default: bool,
    nearest: bool,
) -> "PerformanceFigures | None":
    """The recorded figures for these thresholds; None when there are none.

    overlap_threshold: None for classifiers. is_default: whether the request named no threshold, so that the
    figures of such a request are preferred. nearest: whether those for the nearest thresholds will do.
    """
    rows = _rows(session, iteration)

    def distance(row: PerformanceRecord) -> float:
        if row.threshold is None:
            return 0.0 if is_default else float("inf")
        apart = abs(row.threshold - threshold)
        if overlap_threshold is not None and row.overlap_threshold is not None:
            apart += abs(row.overlap_threshold - overlap_threshold)
        # Of equals, the one of a request without thresholds, if it is one.
        return apart + (_SAME / 10 if is_default else 0.0)

    found = min(rows, key=distance, default=None)
    if found is None or distance(found) == float("inf") or (distance(found) > _SAME and not nearest):
        return None
    return _performance(iteration, found.figures)


def _performance(iteration: Iteration, record: dict[str, Any]) -> "PerformanceFigures":
    from emulator.vision.evaluation.common import PerformanceFigures, TagFigures

    indexes = {tag["id"]: index for index, tag in enumerate(iteration.model_tags or ())}
    per_tag = [
        TagFigures(indexes[tag_id], *values) for tag_id, values in record["tags"].items() if tag_id in indexes
    ]
    return PerformanceFigures(per_tag, *record["total"])
