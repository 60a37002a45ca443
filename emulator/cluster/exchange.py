"""What the server and a worker exchange through the object store, beside the blobs.

Objects: ``jobs/<token>/wanted``, ``jobs/<token>/runs/<id>``, ``jobs/<token>/in/<path>``, and
``jobs/<token>/out/<path>``, where the token belongs to one submission of a job. A worker is the server of the
pieces that it gives to others, whose tokens are ``<token of the job>/pieces/<number>``.

The server writes ``wanted`` again and again while it waits for the job, and deletes it when it does not want
the result any more. So a job also ends when its server stands still, and without a scheduler. The scheduler
cancels the tasks of a client whose process or connection ends, whereupon jobs and pieces end within seconds,
too; see `run`.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from emulator.store.object_blobs import open_objects
from emulator.store.object_errors import explained

_JOBS = "jobs"
# Files of submissions whose server did not delete them.
_KEPT = timedelta(days=7)
# The server renews its wish; a worker ends a job whose wish was not renewed for the longer time.
RENEW_SECONDS, FORGOTTEN_SECONDS = 30.0, 150.0


def address_of(blobs: str | None, folder: Path) -> str:
    """The URL of the object store of a server: that of its option, or else its data folder."""
    return folder.absolute().as_uri() if blobs is None else blobs


def folder_of(address: str) -> Path | None:
    """The folder of an object store that is one."""
    parts = urlsplit(address)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def pieces_token(token: str) -> str:
    """The token below which those of the pieces of a job are."""
    return f"{token}/pieces"


class Exchange:
    """The objects of the jobs of a server. Each method raises BlobsUnreachable.

    Raises BlobsRefused when the object store cannot be used.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._objects: Any = open_objects(address, create=False)
        self._folder = folder_of(address)

    @explained
    def want(self, token: str) -> None:
        """Begin a submission, or renew the wish for its result."""
        self._objects.put(f"{_JOBS}/{token}/wanted", f"{time.time()}\n".encode())

    @explained
    def wish(self, token: str) -> str | None:
        """A text that changes whenever the wish is renewed; None when the result is not wanted."""
        try:
            content = bytes(self._objects.get(f"{_JOBS}/{token}/wanted").bytes())
        except FileNotFoundError:
            return None
        return content.decode("ascii", "replace")

    @explained
    def begin_run(self, token: str, id: str) -> int:
        """Note that a worker begins; returns the number of workers that began before, and did not end."""
        before = sum(1 for _ in self._listed(f"{_JOBS}/{token}/runs"))
        self._objects.put(f"{_JOBS}/{token}/runs/{id}", b"")
        return before

    @explained
    def has_begun(self, token: str) -> bool:
        """Whether a worker has begun the piece of this token."""
        return any(True for _ in self._listed(f"{_JOBS}/{token}/runs"))

    @explained
    def end_run(self, token: str, id: str) -> None:
        """A worker ends in order: a later one is not another attempt."""
        with suppress(FileNotFoundError):
            self._objects.delete(f"{_JOBS}/{token}/runs/{id}")

    @explained
    def send(self, token: str, direction: str, folder: Path, paths: list[str]) -> None:
        """Store files, by their paths from `folder`. direction: "in" to the worker, "out" to the server."""
        for path in paths:
            self._objects.put(f"{_JOBS}/{token}/{direction}/{path}", folder / path)

    @explained
    def receive(self, token: str, direction: str, target: Callable[[str], Path]) -> None:
        """Write the files that were sent. target: the path of a file by the one that it was sent with.

        Raises OSError.
        """
        start = f"{_JOBS}/{token}/{direction}"
        for name, _ in list(self._listed(start)):
            path = target(name[len(start) + 1 :])
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                for chunk in self._objects.get(name):
                    file.write(chunk)

    @explained
    def delete(self, token: str) -> None:
        """Delete what belongs to a submission: its result is not wanted any more."""
        paths = [path for path, _ in self._listed(f"{_JOBS}/{token}")]
        if paths:
            # First, so that no worker goes on whose files are gone.
            with suppress(FileNotFoundError):
                self._objects.delete(f"{_JOBS}/{token}/wanted")
            for path in paths:
                with suppress(FileNotFoundError):
                    self._objects.delete(path)
        if self._folder is not None:  # deleting objects leaves their folders
            shutil.rmtree(self._folder / _JOBS / token, ignore_errors=True)

    @explained
    def delete_left(self, owner: str, process: str) -> None:
        """Delete what was left by earlier processes of a server, and by servers that were killed long ago.

        Args:
            owner: the beginning of the tokens of the server.
            process: the beginning of the tokens of its process that runs.
        """
        now = datetime.now(UTC)
        tokens = set()
        for path, modified in self._listed(_JOBS):
            token = path.split("/")[1]
            is_earlier = token.startswith(owner) and not token.startswith(process)
            if is_earlier or now - modified > _KEPT:
                tokens.add(token)
        for token in tokens:
            self.delete(token)

    def _listed(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        for batch in self._objects.list(prefix):
            for found in batch:
                yield found["path"], found["last_modified"]
