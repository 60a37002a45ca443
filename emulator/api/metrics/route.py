"""The route of /metrics, imported at its first request.

It needs no key, which Prometheus could not send as the service's header: it shows numbers, and names of
projects, tags and published iterations.
"""

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from emulator.api.metrics.exposition import MEDIA_TYPE, Exposition, Requests


async def metrics(request: Request) -> Response:
    state = request.app.state
    if not hasattr(state, "exposition"):
        state.exposition = Exposition(state.context)
    # The counts are those of this thread.
    requests = Requests(state.request_counts.numbers(), state.request_counts.durations())
    text = await asyncio.to_thread(state.exposition.text, requests)
    return Response(text, media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})


router = Router([Route("/metrics", metrics)])
