"""Requests to the Azure Storage of clients: a container for copies of exports, a queue for notifications.

Both are given as URIs with a shared access signature (SAS), and used through the Storage REST API, under the
same rules as image URLs (`fetching`). The signatures are secrets and never part of a message.
"""

import base64
import contextlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.fetching import client as fetching
from emulator.core.fetching.policy import parse_url

CONTAINER, QUEUE = "exportModelContainerUri", "notificationQueueUri"
TEST_FOLDER = "CustomVision-TestPermission"
_CREATED, _ACCEPTED, _NO_CONTENT = 201, 202, 204
# A version that Azure, Azurite and Azure Stack support.
_STORAGE_VERSION = "2019-12-12"
_UPLOAD_SECONDS = 900
_UPLOAD_SILENCE_SECONDS = 30


class StorageRefused(Exception):
    """Storage refused a request or could not be reached. str() is the reason, without the URI."""


def connect(context: Context, project_id: str, container: str | None, queue: str | None) -> None:
    """Test both URIs: write and delete a blob, and send a message of type ``ConnectionTest``.

    Raises ServiceError BadRequestInvalidUri when one cannot be used.
    """
    for name, uri in ((CONTAINER, container), (QUEUE, queue)):
        if uri is not None:
            _check_form(name, uri)
    if container is not None:
        try:
            _test_container(context, container, project_id)
        except StorageRefused as refused:
            raise _unusable(CONTAINER, str(refused)) from refused
    if queue is not None:
        try:
            post_message(context, queue, "ConnectionTest", {"projectId": project_id})
        except StorageRefused as refused:
            raise _unusable(QUEUE, str(refused)) from refused


def put_blob(context: Context, container: str, name: str, content: Path | bytes) -> str:
    """Write a blob to the container; an existing one is overwritten. Returns its URI without the signature.

    Raises StorageRefused.
    """
    uri = _below(container, name)
    headers = {"x-ms-blob-type": "BlockBlob", "Content-Type": "application/octet-stream"}
    _send(context, "PUT", uri, (_CREATED,), headers, content)
    return _bare(uri)


def post_message(context: Context, queue: str, kind: str, content: dict[str, Any]) -> None:
    """Send a message to the queue: JSON in base64, as readers of queues expect. Raises StorageRefused."""
    message = {"version": "1.0", "type": kind, "Content": content}
    text = base64.b64encode(json.dumps(message, separators=(",", ":")).encode()).decode()
    envelope = (
        '<?xml version="1.0" encoding="utf-8"?>'
        f"<QueueMessage><MessageText>{text}</MessageText></QueueMessage>"
    )
    headers = {"Content-Type": "application/xml"}
    _send(context, "POST", _below(queue, "messages"), (_CREATED,), headers, envelope.encode())


def _test_container(context: Context, container: str, project_id: str) -> None:
    name = f"{TEST_FOLDER}/{project_id}"
    put_blob(context, container, name, b"This blob shows that exports can be stored here.")
    with contextlib.suppress(StorageRefused):  # the signature may not allow it; then the blob stays
        _send(context, "DELETE", _below(container, name), (_ACCEPTED, _NO_CONTENT), {})


def _check_form(name: str, uri: str) -> None:
    try:
        parse_url(uri)
        parts = urlsplit(uri)
    except (fetching.FetchRejected, ValueError) as rejected:
        raise _unusable(name, str(rejected)) from rejected
    if not parts.path.strip("/"):
        what = "container" if name == CONTAINER else "queue"
        raise _unusable(name, f"It names no {what}.")
    if "sig" not in dict(parse_qsl(parts.query)):
        raise _unusable(
            name,
            "It has no shared access signature (SAS), and the emulator has no managed identity that could "
            "be given a role instead.",
        )


def _send(
    context: Context,
    method: str,
    uri: str,
    expected: Sequence[int],
    headers: dict[str, str],
    content: Path | bytes = b"",
) -> None:
    policy, silence = context.fetch_policy, float("inf")
    if isinstance(content, Path):
        policy, silence = replace(policy, timeout_seconds=_UPLOAD_SECONDS), _UPLOAD_SILENCE_SECONDS
    headers = {**headers, "x-ms-version": _STORAGE_VERSION}
    try:
        status, response_headers = fetching.send(
            method, uri, policy, headers, content, longest_silence=silence
        )
    except fetching.FetchRejected as rejected:
        raise StorageRefused(str(rejected)) from rejected
    if status not in expected:
        code = response_headers.get("x-ms-error-code", "")
        raise StorageRefused(f"Storage answered with status {status}{f' ({code[:100]})' if code else ''}.")


def _below(uri: str, name: str) -> str:
    """The URI of `name` in the container or queue, with the same signature."""
    parts = urlsplit(uri.strip())
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{quote(name)}", fragment=""))


def _bare(uri: str) -> str:
    return urlunsplit(urlsplit(uri)._replace(query="", fragment=""))


def _unusable(name: str, reason: str) -> ServiceError:
    return ServiceError("BadRequestInvalidUri", f"The {name} cannot be used. {reason}")
