"""Images of a project that are nearly the same, of the emulator's own API."""

import asyncio
from concurrent.futures import Executor
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from emulator.api import responses as shapes
from emulator.api.calls import Call
from emulator.api.control_calls import control_call, written
from emulator.api.gateway import JSON
from emulator.contract import insight as answers
from emulator.contract.operations import Operation
from emulator.core.caches.near_duplicates import Search
from emulator.core.context import Context
from emulator.core.insight import near_duplicates
from emulator.core.limits import PAGE_SIZE, PAGE_SIZE_MAXIMUM

# So long a request waits for a search; then it says how far that is.
_PATIENCE_SECONDS = 10.0
_PATH = "/_emulator/projects/{projectId}/nearDuplicates"


def near_duplicate_routes(context: Context, threads: Executor, public_url: str | None) -> list[BaseRoute]:
    operation = Operation("GetNearDuplicates", "training", "GET", _PATH)

    async def answer(request: Request) -> Response:
        in_thread = asyncio.get_running_loop().run_in_executor
        asked = await in_thread(threads, _Asked, control_call(request, operation, context, public_url))
        # Without a thread: all of them could be waiting else, and nobody left to answer others.
        await _end_of(asked.search)
        if not asked.search.is_over:
            headers = {"Retry-After": "1"}
            return Response(written(asked.running()), 202, headers, JSON.decode())
        return Response(await in_thread(threads, asked.completed), media_type=JSON.decode())

    return [Route(_PATH, answer, methods=["GET"])]


async def _end_of(search: Search) -> None:
    """Wait for it, as long as there is patience."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    def note(_future: object) -> None:
        with suppress(RuntimeError):  # nobody waits any more: the server has ended
            loop.call_soon_threadsafe(over.set)

    search.future.add_done_callback(note)
    with suppress(TimeoutError):
        await asyncio.wait_for(over.wait(), _PATIENCE_SECONDS)


class _Asked:
    """What is asked for, checked, and the search that it takes, begun."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._project_id = call.id("projectId")
        self._threshold = near_duplicates.checked_threshold(call.number("threshold"))
        self._take = call.integer("take", PAGE_SIZE, maximum=PAGE_SIZE_MAXIMUM)
        self._skip = call.integer("skip", 0)
        self._contradictory = call.flag("contradictoryTags")
        self._across_folds = call.flag("acrossFolds")
        self._iteration_id = near_duplicates.checked_iteration(
            call.context, self._project_id, call.guid("iterationId")
        )
        self.search: Search = near_duplicates.search_of(call.context, self._project_id)

    def running(self) -> answers.NearDuplicates:
        search = self.search
        return answers.NearDuplicates(
            "Running", search.progress.done, self._threshold, self._iteration_id, search.count, 0, []
        )

    def completed(self) -> bytes:
        found = near_duplicates.found(
            self._call.context,
            self._project_id,
            self._iteration_id,
            self.search,
            self._threshold,
            contradictory=self._contradictory,
            across_folds=self._across_folds,
            take=self._take,
            skip=self._skip,
        )
        groups = [self._group(group) for group in found.groups]
        return written(
            answers.NearDuplicates(
                "Completed",
                1.0,
                self._threshold,
                found.iteration_id,
                found.image_count,
                found.group_count,
                groups,
            )
        )

    def _group(self, group: near_duplicates.Group) -> answers.NearDuplicateGroup:
        return answers.NearDuplicateGroup(
            group.similarity,
            group.image_count,
            group.contradictory_tags,
            group.across_folds,
            [self._image(image) for image in group.images],
            [
                answers.NearDuplicatePair(list(pair.image_ids), pair.similarity, pair.mirrored)
                for pair in group.pairs
            ],
        )

    def _image(self, image: near_duplicates.NearImage) -> answers.NearDuplicate:
        shown = shapes.image(self._call, image.tagged)
        return answers.NearDuplicate(
            shown.id,
            shown.created,
            shown.width,
            shown.height,
            shown.original_image_uri,
            shown.thumbnail_uri,
            shown.tags,
            image.fold,
        )
