"""GetIterationPerformance, GetImagePerformances, GetImagePerformanceCount."""

from typing import Annotated

from emulator.api import responses
from emulator.api.dependencies import Emulator, ImageLinks, IterationId, ProjectId
from emulator.api.parameters import OrderedPage, TagIds, number
from emulator.api.routing import OperationRouter
from emulator.contract import responses as shapes
from emulator.core.iterations import performance

router = OperationRouter()


@router.operation("GetIterationPerformance")
def get_iteration_performance(
    emulator: Emulator,
    project_id: ProjectId,
    iteration_id: IterationId,
    threshold: Annotated[float | None, number("threshold")],
    overlap_threshold: Annotated[float | None, number("overlapThreshold")],
) -> shapes.IterationPerformance:
    iteration, figures = performance.figures(emulator, project_id, iteration_id, threshold, overlap_threshold)
    tags = iteration.model_tags or []
    per_tag = [
        shapes.TagPerformance(
            id=tags[item.tag_index]["id"],
            name=tags[item.tag_index]["name"],
            precision=item.precision,
            precision_std_deviation=item.precision_std,
            recall=item.recall,
            recall_std_deviation=item.recall_std,
            average_precision=item.average_precision,
        )
        for item in figures.per_tag
    ]
    return shapes.IterationPerformance(
        per_tag_performance=per_tag,
        precision=figures.precision,
        precision_std_deviation=figures.precision_std,
        recall=figures.recall,
        recall_std_deviation=figures.recall_std,
        average_precision=figures.average_precision,
    )


@router.operation("GetImagePerformances")
def get_image_performances(
    emulator: Emulator,
    links: ImageLinks,
    project_id: ProjectId,
    iteration_id: IterationId,
    tag_ids: TagIds,
    page: OrderedPage,
) -> list[shapes.ImagePerformance]:
    evaluated = performance.images(emulator, project_id, iteration_id, tag_ids, **page._asdict())
    return [responses.image_performance(links, item) for item in evaluated]


@router.operation("GetImagePerformanceCount")
def get_image_performance_count(
    emulator: Emulator, project_id: ProjectId, iteration_id: IterationId, tag_ids: TagIds
) -> int:
    return performance.image_count(emulator, project_id, iteration_id, tag_ids)
