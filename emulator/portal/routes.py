"""The routes of the portal: its page, its files, and the session of its user."""

import asyncio
from typing import Any

import orjson
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, Router

from emulator.contract.operations import OPERATIONS
from emulator.core.rules.access import FULL_ACCESS, Access
from emulator.gateway.bodies import read_body
from emulator.gateway.errors import (
    AccessDenied,
    UnknownResource,
    access_denied,
    error_response,
    gateway_response,
    note_refusal,
)
from emulator.portal import static_files
from emulator.portal.sessions import Sessions

_LONGEST_BODY = 4096
_NO_STORE = {"Cache-Control": "no-store"}
# By it, the page explains why it requires a key; a fragment is not sent to the server.
_USED_TICKET = "used-link"


async def _file(request: Request) -> Response:
    name: str = request.path_params["path"]
    threads = request.app.state.threads.of("quick")
    return await asyncio.get_running_loop().run_in_executor(threads, _sent, name, request.headers)


def _sent(name: str, headers: Headers) -> Response:
    """The page or the file of a path. headers: of the request."""
    if static_files.is_page(name) or name == static_files.INDEX:
        return static_files.page(static_files.FOLDER, name)
    file = static_files.find(static_files.FOLDER, name, headers.get("accept-encoding", ""))
    if file is None:
        raise UnknownResource(f"the portal has no file {name[:200]!r}")
    return static_files.response(file, headers.get("if-none-match", ""))


async def _session(request: Request) -> Response:
    """Whether the user is signed in. On a server that needs no secret, this signs in."""
    sessions = _sessions(request)
    is_own = sessions.foreign_reason(request.scope) is None
    await sessions.load(request.scope)
    access = sessions.access_of(request.scope) if is_own else None
    headers = dict(_NO_STORE)
    if is_own and access is None and sessions.signs_in_alone:
        headers["Set-Cookie"] = await sessions.begin(request.scope)
        access = FULL_ACCESS
    return error_response(200, _state(sessions, access), headers)


def _state(sessions: Sessions, access: Access | None) -> dict[str, Any]:
    """access: of the user; None if there is no session."""
    state: dict[str, Any] = {"signedIn": access is not None, "keyRequired": not sessions.signs_in_alone}
    if access is not None and access.role is not None:
        permits = access.role.permits
        refused = [one.name for one in OPERATIONS if one.api == "training" and not permits(one.data_action)]
        state |= {"role": access.role.name, "refused": refused}
    return state


async def _sign_in(request: Request) -> Response:
    sessions = _sessions(request)
    foreign = _refused_as_foreign(request, sessions)
    if foreign is not None:
        return foreign
    body = await read_body(request.scope, request.receive, _LONGEST_BODY)
    key = _key_of(body)
    if key is None:
        message = 'The body is a JSON object with a training key or a key with a role: {"key": "..."}.'
        return error_response(400, {"code": "BadRequest", "message": message})
    wait = await sessions.attempt(request.scope)
    if wait:
        message = f"Too many wrong keys were sent. Try again in {wait} seconds."
        return gateway_response(429, message, {"retry-after": str(wait)})
    await sessions.load(request.scope)
    access = sessions.access_with(key)
    if access is None:
        denied = AccessDenied("sign-in to the portal with neither a training key nor a key with a role")
        note_refusal(request, denied)
        return await access_denied(request, denied)
    await sessions.forget_attempt(request.scope)
    headers = {**_NO_STORE, "Set-Cookie": await sessions.begin(request.scope, key)}
    return error_response(200, _state(sessions, access), headers)


def _key_of(body: bytes) -> str | None:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    key = value.get("key") if isinstance(value, dict) else None
    return key if isinstance(key, str) else None


async def _sign_out(request: Request) -> Response:
    sessions = _sessions(request)
    foreign = _refused_as_foreign(request, sessions)
    if foreign is not None:
        return foreign
    return Response(status_code=204, headers={**_NO_STORE, "Set-Cookie": await sessions.end(request.scope)})


async def _open(request: Request) -> Response:
    """Exchange the ticket of ``serve --open`` for a session. Without a valid one, the page asks for a key."""
    sessions = _sessions(request)
    headers = {**_NO_STORE, "Referrer-Policy": "no-referrer"}
    # A HEAD request, as of a program that checks links, uses no ticket.
    if request.method != "GET":
        return RedirectResponse("./", 303, headers)
    if not await sessions.redeem(request.query_params.get("ticket", "")):
        return RedirectResponse(f"./#{_USED_TICKET}", 303, headers)
    headers["Set-Cookie"] = await sessions.begin(request.scope)
    return RedirectResponse("./", 303, headers)


def _refused_as_foreign(request: Request, sessions: Sessions) -> Response | None:
    reason = sessions.foreign_reason(request.scope)
    if reason is None:
        return None
    note_refusal(request, AccessDenied(f"not from a page of the portal: {reason}"))
    return gateway_response(403, "Only pages of the portal may begin and end its sessions.")


def _sessions(request: Request) -> Sessions:
    sessions: Sessions = request.app.state.sessions
    return sessions


async def _root(_request: Request) -> Response:
    return RedirectResponse("portal/", 308)


# Addresses of redirects are relative: a proxy may have removed a prefix from the path.
router = Router(
    routes=[
        Route("/portal", _root, methods=["GET"]),
        Route("/portal/session", _session, methods=["GET"]),
        Route("/portal/session", _sign_in, methods=["POST"]),
        Route("/portal/session", _sign_out, methods=["DELETE"]),
        Route("/portal/open", _open, methods=["GET"]),
        Route("/portal/{path:path}", _file, methods=["GET"]),
    ],
    redirect_slashes=False,
)
