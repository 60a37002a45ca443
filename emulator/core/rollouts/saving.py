"""Storing the figures of roll-outs, and reading them."""

import logging

from sqlmodel import Session

from emulator.core.context import Context
from emulator.core.rollout_counts import RolloutFigures
from emulator.store.database import StorageFull
from emulator.store.rollout_tables import Rollout

_log = logging.getLogger(__name__)


def save(context: Context) -> None:
    """Store the figures that are in memory. When the disk is full they stay there, which is logged."""
    counts = context.rollout_counts
    with counts.saving:
        taken = counts.take()
        if not taken:
            return
        try:
            with context.database.write() as session:
                for rollout_id, figures in taken.items():
                    _add(session, rollout_id, figures)
        except BaseException as error:
            counts.put_back(taken)
            if not isinstance(error, StorageFull):
                raise
            _log.error("The disk is full: the figures of roll-outs were not stored.")


def _add(session: Session, rollout_id: str, figures: RolloutFigures) -> None:
    rollout = session.get(Rollout, rollout_id)
    if rollout is None:
        return  # its project was deleted, or another roll-out has begun
    stored = RolloutFigures.from_stored(rollout.figures)
    stored.add(figures)
    rollout.figures = stored.to_stored()
    session.add(rollout)


def figures_of(context: Context, rollout: Rollout) -> RolloutFigures:
    """All figures of a roll-out. To be called with `RolloutCounts.saving` held since its row was read."""
    figures = RolloutFigures.from_stored(rollout.figures)
    figures.add(context.rollout_counts.of(rollout.id))
    return figures
