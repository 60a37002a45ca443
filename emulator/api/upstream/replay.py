"""The mode replay: calls are answered with recorded responses, in their order, without the upstream."""

import asyncio
import tempfile

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from emulator.api.upstream.bodies import spool, whole_of
from emulator.api.upstream.state import Upstream
from emulator.core.rules.limits import MEGABYTE
from emulator.gateway.errors import gateway_response
from emulator.gateway.printable import printable_path
from emulator.pulling.recording.tape import TapeUnusable, key_of

_IN_MEMORY = MEGABYTE
# Their responses have a token with a signature.
NOT_REPLAYED = frozenset({"ExportProject"})


def key_in(scope: Scope, body: bytes) -> bytes:
    """The key of a call in recordings."""
    headers = dict(scope["headers"])
    version = scope["address"].version
    return key_of(
        method=scope["method"],
        version=str(version),
        path=scope["path"],
        query=scope["query_string"].decode("latin-1"),
        content_type=headers.get(b"content-type", b"").decode("latin-1"),
        body=body,
    )


async def respond(upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a call with its next recorded response. Raises TooLarge, ServiceError."""
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as body:
        await spool(scope, receive, body, upstream.max_body_bytes)
        key = key_in(scope, whole_of(body))
    try:
        kept = await asyncio.get_running_loop().run_in_executor(None, lambda: upstream.tape.next(key))
    except TapeUnusable as unusable:
        response: Response = gateway_response(500, f"What was recorded cannot be used: {unusable}.")
    else:
        if kept is None:
            response = gateway_response(
                404, f"No response to this call was recorded: {scope['method']} {printable_path(scope)}"
            )
        else:
            headers = {"retry-after": kept.retry_after} if kept.retry_after else {}
            if kept.content_type:
                headers["content-type"] = kept.content_type
            response = Response(kept.body, kept.status, headers)
    await response(scope, receive, send)
