"""The upstream in the emulator's own API: its mode, counts, and differences to the emulator's responses."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from emulator.api.dependencies import json_body, version_of
from emulator.api.parameters import integer_in
from emulator.api.routing import OperationRouter, response_of
from emulator.api.upstream.differences import ComparedCall
from emulator.api.upstream.state import Upstream
from emulator.contract.control import upstream as shapes
from emulator.core.errors import ServiceError
from emulator.core.pulled.journal import ArchiveUnusable
from emulator.pulling.recording.recorder import Recorded, Recorder
from emulator.pulling.recording.tape import Tape, TapeUnusable

router = OperationRouter()

_PATH = "/_emulator/upstream"
_LIMIT, _MOST = 100, 500


async def _upstream_of(request: Request) -> Upstream:
    upstream: Upstream | None = request.app.state.upstream
    if upstream is None:
        raise ServiceError(
            "BadRequestNotSupported", "There is no upstream; start the emulator with --upstream URL."
        )
    return upstream


OfServer = Annotated[Upstream, Depends(_upstream_of)]


@router.own("GET", _PATH)
def get_upstream(upstream: OfServer) -> shapes.Upstream:
    differences = upstream.differences
    recorder = _recorder_of(upstream)
    return shapes.Upstream(
        url=upstream.url,
        mode=upstream.mode,
        allows_writes=upstream.allows_writes,
        forwarded_count=upstream.forwarded,
        refused_count=upstream.refused,
        failed_count=upstream.failed,
        compared_count=differences.compared,
        different_count=differences.different,
        unrecorded_count=upstream.unrecorded,
        recorded_call_count=_tape_of(upstream).count() if upstream.has_recorded else 0,
        pending_file_count=0 if recorder is None else recorder.pending,
        projects=[] if recorder is None else [_project(one) for one in recorder.projects()],
    )


# In the threads of images: what was recorded is inserted, which can take minutes.
@router.own("PUT", _PATH, work="images")
def set_upstream_mode(
    upstream: OfServer, body: Annotated[shapes.UpstreamMode, json_body(shapes.UpstreamMode)]
) -> shapes.Upstream:
    _recorder_of(upstream)
    if upstream.has_recorded or body.mode == "replay":
        _tape_of(upstream)
    upstream.set_mode(body.mode)
    return get_upstream(upstream)


# In the event loop, in which responses are compared.
@router.own("GET", f"{_PATH}/differences")
async def get_upstream_differences(request: Request, upstream: OfServer) -> Response:
    limit = integer_in(request, "limit", _LIMIT, 0, _MOST)
    await upstream.settled()
    differences = upstream.differences
    calls = list(differences.calls)
    shown = shapes.UpstreamDifferences(
        compared_count=differences.compared,
        different_count=differences.different,
        fields=[shapes.FieldCount(**vars(one)) for one in differences.fields],
        calls=[_call(one) for one in reversed(calls[len(calls) - min(limit, len(calls)) :])],
    )
    return response_of(shown, version_of(request))


@router.own("DELETE", f"{_PATH}/differences")
def clear_upstream_differences(upstream: OfServer) -> None:
    upstream.clear()


def _recorder_of(upstream: Upstream) -> Recorder | None:
    """What has recorded something. Raises ServiceError when another process uses it."""
    try:
        return upstream.recorder if upstream.has_recorded else None
    except ArchiveUnusable as unusable:
        raise ServiceError("Conflict", f"What was recorded cannot be used: {unusable}.") from None


def _tape_of(upstream: Upstream) -> Tape:
    """The recorded calls. Raises ServiceError when they cannot be used."""
    try:
        return upstream.tape
    except TapeUnusable as unusable:
        raise ServiceError("Conflict", f"{unusable}.") from None


def _project(one: Recorded) -> shapes.RecordedProject:
    return shapes.RecordedProject(
        id=one.id,
        name=one.name,
        image_count=one.images,
        total_image_count=one.total,
        file_count=one.files,
        missing_file_count=one.missing,
        iteration_count=one.iterations,
        is_inserted=one.is_inserted,
        note=one.note,
    )


def _call(call: ComparedCall) -> shapes.ComparedCall:
    return shapes.ComparedCall(
        **{
            **vars(call),
            "time": datetime.fromtimestamp(call.time, UTC),
            "fields": [shapes.DifferentField(**field._asdict()) for field in call.fields],
        }
    )
