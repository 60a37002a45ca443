"""Trainings, exports and imports that wait, run or have ended, in the emulator's own API."""

import asyncio
from contextlib import suppress

from fastapi import Request
from starlette.responses import Response

from emulator.api.dependencies import Caller, Emulator, JobId, version_of
from emulator.api.parameters import guid_in, integer_in, number_in, text_in
from emulator.api.routing import OperationRouter, response_of
from emulator.api.threads import in_thread
from emulator.contract.control import jobs as shapes
from emulator.core.errors import ServiceError
from emulator.core.jobs.changes import Changes
from emulator.core.status import job_list
from emulator.core.status.job_list import ListedJob

router = OperationRouter()

_PATH = "/_emulator/jobs"
_MAX_WAIT_SECONDS = 25
# Changes that follow each other closely, such as those of a training in milliseconds, are one response.
_SETTLING_SECONDS = 0.05
# The longest wait with a number of changes that another server has given.
_FOREIGN_SECONDS = 1.0


@router.own("GET", _PATH)
async def get_jobs(request: Request, emulator: Emulator, caller: Caller) -> Response:
    project_id = guid_in(request, "projectId")
    known = integer_in(request, "after", 0) if text_in(request, "after") is not None else None
    seconds = number_in(request, "timeoutSeconds")
    if seconds is not None and known is None:
        raise ServiceError("BadRequestRequiredParamIsNull", "The parameter 'timeoutSeconds' needs 'after'.")
    if seconds is not None and not 0 <= seconds <= _MAX_WAIT_SECONDS:
        raise ServiceError("BadRequest", f"'timeoutSeconds' must be between 0 and {_MAX_WAIT_SECONDS}.")
    changes = emulator.jobs.changes
    if known is not None and seconds:
        await _change_since(changes, known, seconds)

    def listed() -> Response:
        version = changes.number  # before the list is read, so that no change is missed
        jobs = [_shape(job) for job in job_list.list_all(emulator, project_id, caller.resource)]
        return response_of(shapes.JobList(version=version, jobs=jobs), version_of(request))

    return await in_thread(request, listed)


@router.own("POST", f"{_PATH}/{{jobId}}/cancel")
def cancel_job(emulator: Emulator, caller: Caller, job_id: JobId) -> shapes.JobItem:
    return _shape(job_list.cancel(emulator, job_id, caller.resource))


async def _change_since(changes: Changes, known: int, seconds: float) -> None:
    """Wait until there are other changes than the first `known`, at most `seconds`."""
    loop, changed = asyncio.get_running_loop(), asyncio.Event()

    def note() -> None:
        with suppress(RuntimeError):  # the server has stopped in the meantime
            loop.call_soon_threadsafe(changed.set)

    changes.add(note)
    try:
        if not changes.has_given(known):
            seconds = min(seconds, _FOREIGN_SECONDS)
        if changes.number == known or not changes.has_given(known):
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), seconds)
                await asyncio.sleep(_SETTLING_SECONDS)
    finally:
        changes.remove(note)


def _shape(item: ListedJob) -> shapes.JobItem:
    job = item.job
    return shapes.JobItem(
        id=job.id,
        kind=job.kind,
        project_id=job.project_id,
        project_name=job.project_name,
        iteration_id=job.iteration_id,
        iteration_name=job.iteration_name,
        training_type=job.training_type,
        platform=job.platform,
        flavor=job.flavor,
        status=item.status,
        stage=item.stage,
        progress=item.progress,
        created=job.created,
        started=item.started,
        ended=item.ended,
        seconds_left=item.seconds_left,
        failure=item.failure,
    )
