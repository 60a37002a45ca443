"""Replacing all that is stored by a snapshot."""

from sqlmodel import select

from emulator.core.blob_sweep import sweep_blobs
from emulator.core.context import Context
from emulator.core.snapshots.files import Snapshot
from emulator.store.batches import batches
from emulator.store.references import all_referenced
from emulator.store.tables import Job, JobKind


def restore_snapshot(context: Context, snapshot: Snapshot) -> None:
    """Replace all rows and blobs by those of a snapshot.

    Like a reset, this stops running jobs and clears the state of tests (`Context.on_reset`). Writers wait;
    readers have the old rows or the new ones, which are replaced in one transaction. The jobs of the snapshot
    are executed. A process that is killed leaves the old state or the new one; superfluous blobs are removed
    at its next start.

    Raises SnapshotRejected, StorageFull; then nothing has changed.
    """
    snapshot.verify(context.blobs.verified)
    kept = snapshot.manifest.blobs.keys()
    with context.database.exclusively():
        with context.database.read() as session:
            before = all_referenced(session)
            jobs = session.exec(select(Job)).all()
        try:
            # Blobs first: one without a row only takes space.
            snapshot.place_blobs(context.blobs)
            context.database.replace_rows(snapshot.database)
        except BaseException:
            sweep_blobs(context, kept - before)
            raise
        context.forget_rows()
        context.ids.restart(context.database)
        context.jobs.cancel(
            iteration_ids={job.iteration_id for job in jobs if job.iteration_id},
            project_ids={job.project_id for job in jobs if job.project_id},
        )
    for listener in context.on_reset:
        listener()
    for kind in JobKind:
        context.jobs.notify(kind)
    for batch in batches(before - kept):
        sweep_blobs(context, batch)
