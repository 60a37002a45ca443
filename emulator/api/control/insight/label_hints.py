"""Hints that labels are wrong, and labels that a person has confirmed, in the emulator's own API."""

from typing import Annotated

from emulator.api import responses
from emulator.api.dependencies import Emulator, ImageLinks, IterationId, ProjectId, json_body
from emulator.api.parameters import TakeAndSkip, guids
from emulator.api.responses import Links
from emulator.api.routing import OperationRouter
from emulator.contract.control import labeling as shapes
from emulator.core.insight import kept_labels, label_hints

router = OperationRouter()

_HINTS = "/_emulator/projects/{projectId}/iterations/{iterationId}/labelHints"


@router.own("GET", _HINTS)
def get_label_hints(
    emulator: Emulator,
    links: ImageLinks,
    project_id: ProjectId,
    iteration_id: IterationId,
    page: TakeAndSkip,
) -> shapes.LabelHints:
    take, skip = page
    iteration, found = label_hints.hints(emulator, project_id, iteration_id, take=take, skip=skip)
    names = {tag["id"]: tag["name"] for tag in iteration.model_tags or []}
    return shapes.LabelHints(
        iteration_id=iteration.id,
        count=found.count,
        changed_count=found.changed,
        kept_count=found.kept,
        hints=[_hint(links, names, hint) for hint in found.hints],
    )


@router.own("POST", f"{_HINTS}/keep")
def keep_labels(
    emulator: Emulator,
    project_id: ProjectId,
    iteration_id: IterationId,
    body: Annotated[shapes.ImageIds, json_body(shapes.ImageIds)],
) -> None:
    kept_labels.keep(emulator, project_id, iteration_id, body.image_ids)


@router.own("DELETE", f"{_HINTS}/keep")
def withdraw_kept_labels(
    emulator: Emulator,
    project_id: ProjectId,
    iteration_id: IterationId,
    image_ids: Annotated[tuple[str, ...], guids("imageIds", required=True)],
) -> None:
    kept_labels.withdraw(emulator, project_id, iteration_id, image_ids)


def _hint(links: Links, names: dict[str, str], hint: label_hints.Hint) -> shapes.LabelHint:
    shown = responses.image_performance(links, hint)
    return shapes.LabelHint(
        **vars(shown), fold=hint.fold, issues=[_issue(issue, names) for issue in hint.issues]
    )


def _issue(issue: label_hints.Issue, names: dict[str, str]) -> shapes.LabelIssue:
    return shapes.LabelIssue(
        reason=issue.reason,
        strength=issue.strength,
        tag_id=issue.tag_id,
        tag_name=names[issue.tag_id] if issue.tag_id else None,
        probability=issue.probability,
        region_id=issue.region.id if issue.region else None,
        bounding_box=responses.bounding_box(issue.region.box) if issue.region else None,
        proposed_tag_id=issue.proposed_tag_id,
        proposed_tag_name=names[issue.proposed_tag_id] if issue.proposed_tag_id else None,
        proposed_probability=issue.proposed_probability,
        proposed_bounding_box=responses.bounding_box(issue.proposed_box) if issue.proposed_box else None,
        usual_probability=issue.threshold,
    )
