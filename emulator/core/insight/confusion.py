"""The confusion matrix of an iteration, and the outcomes of the predictions of each tag.

Computed from the out-of-fold predictions of the evaluation, like the performance figures, and consistent with
them. Part of the emulator's own API.
"""

from dataclasses import dataclass

from emulator.core.caches.evaluations import CachedEvaluation
from emulator.core.context import Context
from emulator.core.insight.evaluated import Kind, kind_of, listed_positions, open_evaluation
from emulator.core.iterations.evaluation import EvaluatedModel
from emulator.store.tables import Iteration


@dataclass(frozen=True)
class TagOutcomes:
    """Outcomes of the predictions of a tag, in images (classifiers) or objects and boxes (detectors).

    position: of the tag in the model's outputs. true_negatives: None for detectors.
    """

    position: int
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int | None


@dataclass(frozen=True)
class ConfusionMatrix:
    """The confusion matrix of an iteration.

    overlap_threshold: None for classifiers. image_count: of the evaluation. per_tag: in the order of
    `guid_order`. counts: rows are actual tags, columns predicted ones, both in that order, followed by a row
    for no object and a column for no prediction; None where images can have several tags.
    """

    kind: Kind
    threshold: float
    overlap_threshold: float | None
    image_count: int
    per_tag: list[TagOutcomes]
    counts: list[list[int]] | None


def confusion_matrix(
    context: Context,
    project_id: str,
    iteration_id: str,
    threshold: float | None,
    overlap_threshold: float | None,
) -> tuple[Iteration, ConfusionMatrix]:
    """The confusion matrix. Thresholds are those of `performance.figures`, whose precision and recall agree
    with `per_tag`.
    """
    iteration, kept, threshold, overlap = open_evaluation(
        context, project_id, iteration_id, threshold, overlap_threshold
    )
    return iteration, matrix_of(iteration, kept, threshold, overlap)


def matrix_of(
    model: EvaluatedModel, kept: CachedEvaluation, threshold: float, overlap: float | None
) -> ConfusionMatrix:
    """The confusion matrix of an evaluation. overlap: None for classifiers."""
    from emulator.vision.evaluation.confusion import outcome_masks

    kind, order = kind_of(model), listed_positions(model)
    counts = None
    per_tag = []
    if kind != "Multilabel":
        places = [*order, len(order)]
        matrix = kept.confusion(threshold, overlap).counts()[places][:, places]
        counts = matrix.tolist()
    if kind == "ObjectDetection":
        correct, actual, predicted = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
        per_tag = [
            TagOutcomes(
                position=position,
                true_positives=int(correct[row]),
                false_positives=int(predicted[row] - correct[row]),
                false_negatives=int(actual[row] - correct[row]),
                true_negatives=None,
            )
            for row, position in enumerate(order)
        ]
    else:
        for position in order:
            masks = outcome_masks(kept.figures, position, threshold)
            per_tag.append(
                TagOutcomes(
                    position=position,
                    true_positives=int(masks["TruePositive"].sum()),
                    false_positives=int(masks["FalsePositive"].sum()),
                    false_negatives=int(masks["FalseNegative"].sum()),
                    true_negatives=int(masks["TrueNegative"].sum()),
                )
            )
    return ConfusionMatrix(
        kind=kind,
        threshold=threshold,
        overlap_threshold=overlap,
        image_count=kept.figures.count,
        per_tag=per_tag,
        counts=counts,
    )
