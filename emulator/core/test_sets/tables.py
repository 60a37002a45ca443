"""Results of evaluations on a test set as tables in CSV (RFC 4180), in UTF-8."""

import csv
import re
from collections.abc import Iterator
from io import StringIO
from typing import Any

from emulator.core.context import Context
from emulator.core.test_sets import results
from emulator.core.test_sets.results import Result

FIGURES = (
    "iterationName",
    "iterationId",
    "tagName",
    "tagId",
    "count",
    "precision",
    "recall",
    "averagePrecision",
    "truePositives",
    "falsePositives",
    "falseNegatives",
    "threshold",
    "overlapThreshold",
    "imageCount",
    "evaluated",
    "isStale",
)
IMAGES = (
    "iterationName",
    "iterationId",
    "imageId",
    "imageName",
    "isRight",
    "tags",
    "predictedTags",
    "probabilities",
)
# In names of files these have a meaning on some system, or are not printed.
_NOT_IN_FILE_NAMES = re.compile(r'[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"*/:<>?\\|]')
_LONGEST_FILE_NAME = 60
# Between the tags of an image.
_SEPARATOR = "; "


def file_name(test_set_name: str, content: str) -> str:
    """The name of the file of a table: that of the test set, at most 60 characters of it, and the content."""
    stem = _NOT_IN_FILE_NAMES.sub("_", test_set_name[:_LONGEST_FILE_NAME]).strip(" .")
    return f"{stem or 'test set'} {content.lower()}.csv"


def figures(
    context: Context,
    project_id: str,
    test_set_id: str,
    threshold: float | None,
    overlap_threshold: float | None,
) -> str:
    """For each evaluated iteration one row over all tags, which has no tag, and one for each tag."""

    def rows() -> Iterator[tuple[Any, ...]]:
        for summary in results.summaries(context, project_id, test_set_id, threshold, overlap_threshold):
            if summary.figures is not None:
                yield from _rows_of(results.result_of(context, summary, threshold, overlap_threshold))

    return _written(FIGURES, rows())


def images(
    context: Context,
    project_id: str,
    test_set_id: str,
    threshold: float | None,
    overlap_threshold: float | None,
) -> str:
    """For each evaluated iteration one row for each image: wrong ones first.

    Predicted tags are those of the threshold or more, each with the highest probability of its boxes.
    """

    def rows() -> Iterator[tuple[Any, ...]]:
        for summary in results.summaries(context, project_id, test_set_id, threshold, overlap_threshold):
            if summary.figures is None:
                continue
            opened = results.open_row(context, summary.row, threshold, overlap_threshold)
            _, found = results.images_of(context, project_id, opened)
            for image in found:
                best: dict[str, float] = {}
                for item in sorted(image.probabilities, key=lambda item: -item.probability):
                    if item.probability >= opened.threshold:
                        best.setdefault(item.tag_name, item.probability)
                row = image.labeled.row
                yield (
                    summary.iteration_name,
                    summary.row.iteration_id,
                    row.id,
                    row.name or "",
                    _flag(image.is_right),
                    _SEPARATOR.join(image.labeled.tags.values()),
                    _SEPARATOR.join(best),
                    _SEPARATOR.join(f"{probability:.6g}" for probability in best.values()),
                )

    return _written(IMAGES, rows())


def _rows_of(found: Result) -> Iterator[tuple[Any, ...]]:
    """The rows of an evaluation. found: with figures."""
    summary, row = found.summary, found.summary.row
    assert summary.figures is not None
    iteration = (summary.iteration_name, row.iteration_id)
    overlap = "" if found.overlap_threshold is None else found.overlap_threshold
    evaluated = "" if row.evaluated is None else row.evaluated.isoformat(timespec="milliseconds")
    made_on = (found.threshold, overlap, row.image_count, evaluated, _flag(summary.is_stale))
    outcomes = [tag.outcomes for tag in found.per_tag]
    yield (
        *iteration,
        "",
        "",
        sum(tag.count for tag in found.per_tag),
        summary.figures.precision,
        summary.figures.recall,
        summary.figures.average_precision,
        sum(item.true_positives for item in outcomes),
        sum(item.false_positives for item in outcomes),
        sum(item.false_negatives for item in outcomes),
        *made_on,
    )
    for tag in found.per_tag:
        yield (
            *iteration,
            tag.tag_name,
            tag.tag_id,
            tag.count,
            tag.figures.precision,
            tag.figures.recall,
            tag.figures.average_precision,
            tag.outcomes.true_positives,
            tag.outcomes.false_positives,
            tag.outcomes.false_negatives,
            *made_on,
        )


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _written(header: tuple[str, ...], rows: Iterator[tuple[Any, ...]]) -> str:
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
