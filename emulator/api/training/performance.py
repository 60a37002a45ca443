"""GetIterationPerformance, GetImagePerformances, GetImagePerformanceCount."""

from emulator.api import responses as shapes
from emulator.api.calls import Call, handles
from emulator.api.training.images import ORDERS
from emulator.contract import responses as models
from emulator.core.iterations import performance
from emulator.core.limits import PAGE_SIZE, PAGE_SIZE_MAXIMUM


@handles("GetIterationPerformance")
def get_iteration_performance(call: Call) -> models.IterationPerformance:
    iteration, figures = performance.figures(
        call.context,
        call.id("projectId"),
        call.id("iterationId"),
        call.number("threshold"),
        call.number("overlapThreshold"),
    )
    tags = iteration.model_tags or []
    return models.IterationPerformance(
        [
            models.TagPerformance(
                tags[item.tag_index]["id"],
                tags[item.tag_index]["name"],
                item.precision,
                item.precision_std,
                item.recall,
                item.recall_std,
                item.average_precision,
            )
            for item in figures.per_tag
        ],
        figures.precision,
        figures.precision_std,
        figures.recall,
        figures.recall_std,
        figures.average_precision,
    )


@handles("GetImagePerformances")
def get_image_performances(call: Call) -> list[models.ImagePerformance]:
    evaluated = performance.images(
        call.context,
        call.id("projectId"),
        call.id("iterationId"),
        call.guids("tagIds"),
        newest_first=call.choice("orderBy", ORDERS, "Newest") == "Newest",
        take=call.integer("take", PAGE_SIZE, maximum=PAGE_SIZE_MAXIMUM),
        skip=call.integer("skip", 0),
    )
    return [shapes.image_performance(call, item) for item in evaluated]


@handles("GetImagePerformanceCount")
def get_image_performance_count(call: Call) -> int:
    return performance.image_count(
        call.context, call.id("projectId"), call.id("iterationId"), call.guids("tagIds")
    )
