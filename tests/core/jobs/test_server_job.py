"""Jobs that a thread of the server executes: when they stop, and their progress."""

from datetime import UTC, datetime

import pytest

from emulator.core.jobs.changes import Changes
from emulator.core.jobs.job_runner import JobStopped
from emulator.core.jobs.server_job import ServerJob
from emulator.store.tables import Job, JobKind
from tests.support.harness import NOWHERE, Service


def test_a_job_stops_when_its_row_is_deleted_or_the_process_ends(service: Service) -> None:
    database = service.context.database
    server_job = ServerJob(database, Changes())
    with database.write() as session:
        session.add(Job(id=NOWHERE, kind=JobKind.DATA_SET, created=datetime.now(UTC), details={}))
    server_job.check(NOWHERE)
    with pytest.raises(JobStopped, match="cancelled or deleted"):
        server_job.check("another")
    server_job.interrupt()
    with pytest.raises(JobStopped, match="interrupted"):
        server_job.check(NOWHERE)


def test_progress_is_shown_until_the_end_of_the_job(service: Service) -> None:
    server_job = ServerJob(service.context.database, Changes())
    assert server_job.progress("id") is None
    server_job.note("id", 0.25, "Checking")
    progress = server_job.progress("id")
    assert progress is not None
    assert (progress.fraction, progress.step) == (0.25, "Checking")
    server_job.end("id")
    assert server_job.progress("id") is None
