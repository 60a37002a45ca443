"""Everything gone, in milliseconds, as after a first start."""

import shutil

from sqlmodel import select

from emulator.core.context import Context
from emulator.store.tables import Job


def reset(context: Context) -> None:
    """Delete all projects and what belongs to them; running trainings and exports stop."""
    with context.database.read() as session:
        jobs = session.exec(select(Job)).all()
    # Rows first: a blob without a row is waste, a row without its blob is a loss. Nobody writes in between,
    # so that no row of a new project loses its blob.
    with context.database.exclusively():
        context.database.clear()
        context.blobs.clear()
    context.jobs.cancel(
        iteration_ids={job.iteration_id for job in jobs if job.iteration_id},
        project_ids={job.project_id for job in jobs if job.project_id},
    )
    context.near_duplicates.clear()
    shutil.rmtree(context.feature_cache, ignore_errors=True)
    context.image_index.clear()
    context.score_index.clear()
    context.models.clear()
    context.evaluations.clear()
