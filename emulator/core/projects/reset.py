"""Resetting the emulator to the state after its first start, within milliseconds."""

import shutil

from sqlmodel import select

from emulator.core.context import Context
from emulator.store.tables import Job


def reset(context: Context) -> None:
    """Delete all projects and all that belongs to them; running jobs are stopped."""
    with context.database.read() as session:
        jobs = session.exec(select(Job)).all()
    # Rows first: a blob without a row only takes space, a row without its blob is broken. Other writers wait,
    # so that no row of a new project loses its blob.
    with context.database.exclusively():
        context.database.clear()
        context.blobs.clear()
        context.ids.restart(context.database)
    context.jobs.cancel(
        iteration_ids={job.iteration_id for job in jobs if job.iteration_id},
        project_ids={job.project_id for job in jobs if job.project_id},
    )
    context.forget_rows()
    context.models.clear()
    shutil.rmtree(context.feature_cache, ignore_errors=True)
    context.thumbnails.clear()
    for listener in context.on_reset:
        listener()
