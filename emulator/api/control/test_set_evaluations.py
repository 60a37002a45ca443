"""Evaluations of iterations on a test set, in the emulator's own API."""

from typing import Annotated
from urllib.parse import quote

from starlette.responses import Response

from emulator.api import responses
from emulator.api.control.insight.cells import AnyCell, matches
from emulator.api.control.insight.comparison import (
    ChangesOfRequest,
    OtherId,
    OverlapThreshold,
    Threshold,
    comparison_shape,
)
from emulator.api.control.test_sets import TEST_SET, labeled
from emulator.api.dependencies import Emulator, ImageLinks, IterationId, ProjectId, TestSetId, json_body
from emulator.api.parameters import TakeAndSkip, choice
from emulator.api.routing import OperationRouter, Result
from emulator.contract.control import test_sets as shapes
from emulator.contract.control.insight import NamedTag
from emulator.core.test_sets import manage, request, results, tables
from emulator.core.test_sets.results import Shown, Summary, TagResult

router = OperationRouter()

_EVALUATIONS = f"{TEST_SET}/evaluations"
_EVALUATION = f"{_EVALUATIONS}/{{iterationId}}"
_TABLES = {"Figures": tables.figures, "Images": tables.images}


@router.own("POST", _EVALUATIONS)
def evaluate_iterations(
    emulator: Emulator,
    project_id: ProjectId,
    test_set_id: TestSetId,
    body: Annotated[shapes.EvaluationRequest, json_body(shapes.EvaluationRequest)],
) -> Result:
    request.request_evaluations(emulator, project_id, test_set_id, body.iteration_ids)
    wanted = set(body.iteration_ids)
    found = results.summaries(emulator, project_id, test_set_id, None, None)
    return Result([_summary(item) for item in found if item.row.iteration_id in wanted], 202)


@router.own("GET", _EVALUATIONS)
def get_evaluations(
    emulator: Emulator,
    project_id: ProjectId,
    test_set_id: TestSetId,
    threshold: Threshold,
    overlap_threshold: OverlapThreshold,
) -> list[shapes.TestEvaluation]:
    found = results.summaries(emulator, project_id, test_set_id, threshold, overlap_threshold)
    return [_summary(item) for item in found]


@router.own("GET", f"{TEST_SET}/evaluations.csv")
def get_evaluations_as_csv(
    emulator: Emulator,
    project_id: ProjectId,
    test_set_id: TestSetId,
    threshold: Threshold,
    overlap_threshold: OverlapThreshold,
    content: Annotated[str, choice("content", tuple(_TABLES), "Figures")],
) -> Response:
    text = _TABLES[content](emulator, project_id, test_set_id, threshold, overlap_threshold)
    name = tables.file_name(manage.get(emulator, project_id, test_set_id).row.name, content)
    # RFC 6266: the second one is for clients that read no other characters than those of ASCII.
    headers = {
        "content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}; "
        f'filename="test-set-{content.lower()}.csv"'
    }
    return Response(text, media_type="text/csv", headers=headers)


@router.own("GET", _EVALUATION)
def get_evaluation(
    emulator: Emulator,
    project_id: ProjectId,
    test_set_id: TestSetId,
    iteration_id: IterationId,
    threshold: Threshold,
    overlap_threshold: OverlapThreshold,
) -> shapes.TestResult:
    found = results.result(emulator, project_id, test_set_id, iteration_id, threshold, overlap_threshold)
    per_tag = found.per_tag
    return shapes.TestResult(
        **vars(_summary(found.summary)),
        type=found.kind,
        threshold=found.threshold,
        overlap_threshold=found.overlap_threshold,
        tags=[NamedTag(id=tag.tag_id, name=tag.tag_name) for tag in per_tag],
        counts=found.counts,
        per_tag=[_tag(tag) for tag in per_tag],
    )


@router.own("DELETE", _EVALUATION)
def delete_evaluation(
    emulator: Emulator, project_id: ProjectId, test_set_id: TestSetId, iteration_id: IterationId
) -> None:
    request.delete_evaluation(emulator, project_id, test_set_id, iteration_id)


@router.own("GET", f"{_EVALUATION}/images")
def get_evaluated_images(
    emulator: Emulator,
    links: ImageLinks,
    project_id: ProjectId,
    test_set_id: TestSetId,
    iteration_id: IterationId,
    threshold: Threshold,
    overlap_threshold: OverlapThreshold,
    shown: Annotated[Shown, choice("show", results.SHOWN, results.SHOWN[0])],
    wanted: AnyCell,
    page: TakeAndSkip,
) -> shapes.TestedImages:
    take, skip = page
    count, images = results.images(
        emulator,
        project_id,
        test_set_id,
        iteration_id,
        threshold,
        overlap_threshold,
        shown=shown,
        wanted=wanted,
        take=take,
        skip=skip,
    )
    found = [
        shapes.TestedImage(
            **vars(labeled(links, project_id, image.labeled)),
            predictions=responses.predictions(image.probabilities),
            is_right=image.is_right,
            matches=matches(image.pairs, image.tag_names),
        )
        for image in images
    ]
    return shapes.TestedImages(image_count=count, images=found)


@router.own("GET", f"{_EVALUATION}/comparison")
def compare_evaluations(
    emulator: Emulator,
    project_id: ProjectId,
    test_set_id: TestSetId,
    iteration_id: IterationId,
    other_id: OtherId,
    threshold: Threshold,
    overlap_threshold: OverlapThreshold,
) -> shapes.Comparison:
    found = results.compare(
        emulator, project_id, test_set_id, iteration_id, other_id, threshold, overlap_threshold
    )
    return comparison_shape(found, iteration_id, other_id, test_set_id)


@router.own("GET", f"{_EVALUATION}/comparison/images")
def get_changed_test_images(
    emulator: Emulator,
    links: ImageLinks,
    project_id: ProjectId,
    test_set_id: TestSetId,
    iteration_id: IterationId,
    changes: ChangesOfRequest,
) -> shapes.ComparedTestImages:
    count, images = results.changed_images(
        emulator, project_id, test_set_id, iteration_id, **changes._asdict()
    )
    found = [
        shapes.ComparedTestImage(
            **vars(labeled(links, project_id, image.labeled)),
            predictions=responses.predictions(image.probabilities),
            other_predictions=responses.predictions(image.other_probabilities),
        )
        for image in images
    ]
    return shapes.ComparedTestImages(image_count=count, images=found)


def _summary(found: Summary) -> shapes.TestEvaluation:
    row, figures = found.row, found.figures
    return shapes.TestEvaluation(
        test_set_id=row.test_set_id,
        iteration_id=row.iteration_id,
        iteration_name=found.iteration_name,
        status=row.status,
        progress=found.progress,
        failure=row.failure,
        created=row.created,
        evaluated=row.evaluated,
        revision=row.revision,
        is_stale=found.is_stale,
        image_count=row.image_count,
        wrong_image_count=found.wrong_count,
        trained_image_count=found.trained_image_count,
        precision=None if figures is None else figures.precision,
        recall=None if figures is None else figures.recall,
        average_precision=None if figures is None else figures.average_precision,
        prediction_count=None if figures is None else figures.predicted,
    )


def _tag(tag: TagResult) -> shapes.TestedTag:
    return shapes.TestedTag(
        tag_id=tag.tag_id,
        tag_name=tag.tag_name,
        is_trained=tag.is_trained,
        count=tag.count,
        precision=tag.figures.precision,
        recall=tag.figures.recall,
        average_precision=tag.figures.average_precision,
        true_positives=tag.outcomes.true_positives,
        false_positives=tag.outcomes.false_positives,
        false_negatives=tag.outcomes.false_negatives,
        true_negatives=tag.outcomes.true_negatives,
    )
