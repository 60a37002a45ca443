"""Hints that labels of an iteration's images are wrong, by its out-of-fold predictions.

`emulator.vision.evaluation.label_errors` has the method.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmodel import Session, col, select

from emulator.core import lookup
from emulator.core.caches.evaluations import CachedEvaluation
from emulator.core.context import Context
from emulator.core.images.tagged import TaggedImage, with_tags
from emulator.core.insight import kept_labels
from emulator.core.insight.evaluated import kind_of
from emulator.core.iterations.evaluation import evaluation_of
from emulator.core.iterations.performance import EvaluatedImage, predicted
from emulator.core.labels.regions import RegionOnImage
from emulator.core.revisions.views import View
from emulator.store.batches import batches
from emulator.store.tables import Image, Iteration
from emulator.vision.boxes.box import Box

if TYPE_CHECKING:
    from emulator.vision.evaluation.label_errors import LabelError


@dataclass(frozen=True)
class Issue:
    """A label that is probably wrong.

    reason, strength, probabilities, threshold: see `LabelError`. tag_id, proposed_tag_id: None for none.
    region: the region that is probably wrong. proposed_box: of a detector, where the proposed tag was found.
    """

    reason: str
    strength: float
    tag_id: str | None
    proposed_tag_id: str | None
    probability: float
    proposed_probability: float
    threshold: float
    region: RegionOnImage | None
    proposed_box: Box | None


@dataclass(frozen=True)
class Hint(EvaluatedImage):
    """An image with its present labels and its issues, the strongest first. fold: of cross-validation."""

    fold: int
    issues: list[Issue]


@dataclass(frozen=True)
class HintPage:
    """count: of all hints. changed, kept: of images left out, since their labels are no longer those of the
    training, or were confirmed."""

    count: int
    changed: int
    kept: int
    hints: list[Hint]


def hints(
    context: Context, project_id: str, iteration_id: str, *, take: int, skip: int
) -> tuple[Iteration, HintPage]:
    """A page of the hints, the strongest first. Images that were deleted since the training have none."""
    iteration, kept = evaluation_of(context, project_id, iteration_id)
    with context.database.read() as session:
        project = lookup.project(session, project_id)
        trained, workspace = View(project, iteration.revision), View(project)
        errors = _errors(iteration, kept, set(lookup.workspace_tags(session, project_id)))
        of_image = kept.numbers(session, trained.images)
        indexes = {int(of_image[index]): index for index in errors if of_image[index]}
        here = _in_workspace(session, workspace, indexes)
        before, now = (kept_labels.digests(session, view, here) for view in (trained, workspace))
        unchanged = {number for number in here if before[number] == now[number]}
        confirmed = kept_labels.confirmed(session, workspace, unchanged)
        left = sorted(
            unchanged - confirmed, key=lambda number: (-errors[indexes[number]][0].strength, number)
        )
        page = left[skip : skip + take]
        rows = session.exec(select(Image).where(col(Image.number).in_(page))).all()
        tagged = {item.image.number or 0: item for item in with_tags(session, workspace, rows)}
    return iteration, HintPage(
        count=len(left),
        changed=len(here) - len(unchanged),
        kept=len(confirmed),
        hints=[
            _hint(iteration, kept, tagged[number], indexes[number], errors[indexes[number]])
            for number in page
        ],
    )


def _errors(iteration: Iteration, kept: CachedEvaluation, present: set[str]) -> "dict[int, list[LabelError]]":
    """The errors by the index of their image, without those that propose a tag that was deleted since."""
    kind, tags = kind_of(iteration), iteration.model_tags or []
    types = [tag["type"] for tag in tags]
    errors = kept.label_errors(
        multilabel=None if kind == "ObjectDetection" else kind == "Multilabel",
        negative=types.index("Negative") if "Negative" in types else None,
    )
    if all(tag["id"] in present for tag in tags):
        return errors
    chosen = {
        index: [error for error in some if error.proposed < 0 or tags[error.proposed]["id"] in present]
        for index, some in errors.items()
    }
    return {index: some for index, some in chosen.items() if some}


def _in_workspace(session: Session, view: View, numbers: dict[int, int]) -> list[int]:
    """Those of the images that are in the workspace, in order."""
    found: list[int] = []
    for batch in batches(numbers):
        some = col(Image.number).in_(batch)
        found += [number or 0 for number in session.exec(select(Image.number).where(*view.images, some))]
    return sorted(found)


def _hint(
    iteration: Iteration,
    kept: CachedEvaluation,
    tagged: TaggedImage,
    index: int,
    errors: "list[LabelError]",
) -> Hint:
    return Hint(
        tagged=tagged,
        probabilities=predicted(iteration, kept, index),
        fold=int(kept.figures.folds[index]),
        issues=[_issue(iteration, kept, tagged, error) for error in errors],
    )


def _issue(iteration: Iteration, kept: CachedEvaluation, tagged: TaggedImage, error: "LabelError") -> Issue:
    tags, figures = iteration.model_tags or [], kept.figures
    region = box = None
    if error.object >= 0:
        region = _region(tagged, tags[error.actual]["id"], figures.truths.ltwh[error.object].tolist())
    if error.detection >= 0:
        box = Box(*figures.detections.ltwh[error.detection].tolist())
    return Issue(
        reason=error.reason,
        strength=error.strength,
        tag_id=tags[error.actual]["id"] if error.actual >= 0 else None,
        proposed_tag_id=tags[error.proposed]["id"] if error.proposed >= 0 else None,
        probability=error.actual_probability,
        proposed_probability=error.proposed_probability,
        threshold=error.threshold,
        region=region,
        proposed_box=box,
    )


def _region(tagged: TaggedImage, tag_id: str, ltwh: list[float]) -> RegionOnImage | None:
    """The region of the tag that is nearest to a box of the evaluation, which has single precision."""

    def difference(region: RegionOnImage) -> float:
        edges = (region.left, region.top, region.width, region.height)
        return sum(abs(edge - other) for edge, other in zip(edges, ltwh, strict=True))

    return min((region for region in tagged.regions if region.tag_id == tag_id), key=difference, default=None)
