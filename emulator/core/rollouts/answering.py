"""Predictions under a published name while a roll-out is running."""

import hashlib
import logging
import time
from collections.abc import Callable
from functools import partial

from emulator.core.caches.published import RunningRollout
from emulator.core.context import Context
from emulator.core.rollouts import agreement, saving
from emulator.core.scored_rows.scores import TagProbability
from emulator.store.rollout_tables import RolloutMode
from emulator.store.tables import Iteration

# The predictions of an iteration for the image of the request.
Score = Callable[[Iteration], list[TagProbability]]
_log = logging.getLogger(__name__)


def is_for_candidate(rollout: RunningRollout, prediction_id: str) -> bool:
    """Whether the candidate answers a request, for `percent` of all ids of predictions.

    The same ids always have the same result (`--id-seed` repeats them), and a request that the candidate
    answers at one percentage it answers at each higher one.
    """
    digest = hashlib.sha256(f"{rollout.id} {prediction_id}".encode()).digest()
    return int.from_bytes(digest[:8]) < rollout.percent / 100 * 2**64


def answer(
    context: Context,
    prediction_id: str,
    current: Iteration,
    rollout: RunningRollout,
    score: Score,
    shadow: Score,
    size: int,
) -> tuple[Iteration, list[TagProbability]]:
    """The iteration that answers a request, and its predictions.

    When the candidate fails, the published iteration answers. So an exception is always one of `score` for
    that one.

    Args:
        shadow: like `score`, for the candidate after the answer.
        size: bytes of the image.
    """
    with context.spare_work.precedence():
        answering, predictions = _answer(context, prediction_id, current, rollout, score)
    if rollout.mode == RolloutMode.SHADOW:
        later = partial(_compare, context, rollout, predictions, shadow)
        if not context.spare_work.put(size, later):
            with context.rollout_counts.change(rollout.id) as figures:
                figures.dropped += 1
    if context.rollout_counts.are_due():
        context.spare_work.put(0, partial(saving.save, context))
    return answering, predictions


def _answer(
    context: Context, prediction_id: str, current: Iteration, rollout: RunningRollout, score: Score
) -> tuple[Iteration, list[TagProbability]]:
    if rollout.mode != RolloutMode.PERCENTAGE or not is_for_candidate(rollout, prediction_id):
        return current, _counted(context, rollout, current, score)
    try:
        return rollout.candidate, _counted(context, rollout, rollout.candidate, score)
    except Exception as error:  # noqa: BLE001 - of any kind: the published iteration answers
        predictions = _counted(context, rollout, current, score)  # raises if the image is to blame
        _count_failure(context, rollout, error)
        return current, predictions


def _counted(
    context: Context, rollout: RunningRollout, iteration: Iteration, score: Score
) -> list[TagProbability]:
    begun = time.perf_counter()
    predictions = score(iteration)
    seconds = time.perf_counter() - begun
    with context.rollout_counts.change(rollout.id) as figures:
        model = figures.candidate if iteration is rollout.candidate else figures.current
        model.add_prediction(seconds, agreement.confidence(predictions))
    return predictions


def _compare(context: Context, rollout: RunningRollout, current: list[TagProbability], score: Score) -> None:
    """Score the image by the candidate, and count whether it agrees with the published iteration."""
    try:
        candidate = _counted(context, rollout, rollout.candidate, score)
    except Exception as error:  # noqa: BLE001 - of any kind: it is counted
        _count_failure(context, rollout, error)
        return
    result = agreement.compare(current, candidate)
    with context.rollout_counts.change(rollout.id) as figures:
        figures.compared += 1
        figures.agreed += result.is_same
        figures.matched_boxes += result.matched
        figures.current_boxes += result.current
        figures.candidate_boxes += result.candidate


def _count_failure(context: Context, rollout: RunningRollout, error: Exception) -> None:
    with context.rollout_counts.change(rollout.id) as figures:
        figures.candidate.failures += 1
        is_first = figures.candidate.failures == 1
    if is_first:  # of those that are not stored yet: one line each time, not for each image
        _log.error(
            "The candidate '%s' of a roll-out failed: %s: %s",
            rollout.candidate.name,
            type(error).__name__,
            error,
        )
