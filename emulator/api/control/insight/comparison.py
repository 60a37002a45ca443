"""Two iterations compared by the predictions of their cross-validations, in the emulator's own API."""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

from fastapi import Depends

from emulator.api import responses
from emulator.api.dependencies import Emulator, ImageLinks, IterationId, ProjectId
from emulator.api.parameters import TakeAndSkip, number, required_choice, required_guid
from emulator.api.responses import Links
from emulator.api.routing import OperationRouter
from emulator.contract.control import test_sets as shapes
from emulator.core.insight import comparison
from emulator.core.insight.comparison import Change, ComparedImage, ComparedTag, Comparison, Figures
from emulator.core.iterations.performance import EvaluatedImage

router = OperationRouter()

_COMPARISON = "/_emulator/projects/{projectId}/iterations/{iterationId}/comparison"
Threshold = Annotated[float | None, number("threshold")]
OverlapThreshold = Annotated[float | None, number("overlapThreshold")]
OtherId = Annotated[str, required_guid("with")]


class ChangesWanted(NamedTuple):
    """Which changed images a request is about: the last arguments of both functions `changed_images`."""

    other_id: str
    threshold: float | None
    overlap_threshold: float | None
    change: Change
    take: int
    skip: int


async def _changes_wanted(
    other_id: OtherId,
    threshold: Threshold,
    overlap_threshold: OverlapThreshold,
    change: Annotated[Change, required_choice("change", comparison.CHANGES)],
    page: TakeAndSkip,
) -> ChangesWanted:
    return ChangesWanted(other_id, threshold, overlap_threshold, change, *page)


ChangesOfRequest = Annotated[ChangesWanted, Depends(_changes_wanted)]


@router.own("GET", _COMPARISON)
def compare_iterations(
    emulator: Emulator,
    project_id: ProjectId,
    iteration_id: IterationId,
    other_id: OtherId,
    threshold: Threshold,
    overlap_threshold: OverlapThreshold,
) -> shapes.Comparison:
    found = comparison.compare_iterations(
        emulator, project_id, iteration_id, other_id, threshold, overlap_threshold
    )
    return comparison_shape(found, iteration_id, other_id, None)


@router.own("GET", f"{_COMPARISON}/images")
def get_changed_images(
    emulator: Emulator,
    links: ImageLinks,
    project_id: ProjectId,
    iteration_id: IterationId,
    changes: ChangesOfRequest,
) -> shapes.ComparedImages:
    return images_shape(
        links, *comparison.changed_images(emulator, project_id, iteration_id, **changes._asdict())
    )


def images_shape(links: Links, count: int, images: Sequence[ComparedImage]) -> shapes.ComparedImages:
    """A page of gained or lost images. count: of all."""
    shown = [
        shapes.ComparedImage(
            **vars(responses.image_performance(links, EvaluatedImage(image.tagged, image.probabilities))),
            other_predictions=responses.predictions(image.other_probabilities),
        )
        for image in images
    ]
    return shapes.ComparedImages(image_count=count, images=shown)


def comparison_shape(
    found: Comparison, iteration_id: str, other_id: str, test_set_id: str | None
) -> shapes.Comparison:
    """The response of a comparison. test_set_id: None for one by cross-validations."""
    return shapes.Comparison(
        iteration_id=iteration_id,
        other_iteration_id=other_id,
        test_set_id=test_set_id,
        threshold=found.threshold,
        overlap_threshold=found.overlap_threshold,
        image_count=found.image_count,
        relabeled_image_count=found.relabeled_count,
        only_image_count=found.only_count,
        only_other_image_count=found.only_other_count,
        right_image_count=found.right_count,
        other_right_image_count=found.other_right_count,
        gained_image_count=found.gained_count,
        lost_image_count=found.lost_count,
        figures=_figures(found.figures),
        other_figures=_figures(found.other_figures),
        difference=_difference(found.figures, found.other_figures),
        per_tag=[_tag(tag) for tag in found.per_tag],
    )


def _tag(tag: ComparedTag) -> shapes.ComparedTag:
    ours, theirs = tag.figures, tag.other_figures
    return shapes.ComparedTag(
        tag_id=tag.tag_id,
        tag_name=tag.tag_name,
        count=tag.count,
        figures=None if ours is None else _figures(ours),
        other_figures=None if theirs is None else _figures(theirs),
        difference=None if ours is None or theirs is None else _difference(ours, theirs),
    )


def _figures(figures: Figures) -> shapes.Figures:
    return shapes.Figures(**figures._asdict())


def _difference(ours: Figures, theirs: Figures) -> shapes.FigureDifferences:
    return shapes.FigureDifferences(
        precision=ours.precision - theirs.precision,
        recall=ours.recall - theirs.recall,
        average_precision=ours.average_precision - theirs.average_precision,
    )
