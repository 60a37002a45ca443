"""The upstream: who answers calls, and what the control API shows."""

import asyncio
import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from starlette.types import Receive, Scope, Send

from emulator.core.context import Context
from emulator.gateway.keys import KEY_HEADERS

if TYPE_CHECKING:
    from emulator.api.upstream.differences import DifferenceLog
    from emulator.pulling.recording.recorder import Recorder
    from emulator.pulling.recording.tape import Tape

UpstreamMode = Literal["local", "shadow", "record", "replay"]
_log = logging.getLogger(__name__)
_RECORDED_FOLDER = "recorded"
CREDENTIALS = frozenset({*KEY_HEADERS, b"authorization"})


class LocalKeys(NamedTuple):
    """Keys of this emulator, for its own responses to calls that carry a key of the upstream."""

    training: str
    prediction: str


class Forwarder(Protocol):
    """Forwards calls to the upstream; `emulator.api.upstream.forwarding`."""

    async def respond(self, scope: Scope, receive: Receive, send: Send) -> None: ...

    async def settled(self) -> None:
        """Wait until all responses that have arrived are compared."""

    async def close(self) -> None: ...


class Upstream:
    """The upstream, and how calls are answered.

    local: by the emulator alone. shadow: by the upstream; the emulator answers calls that read, too, and the
    differences are noted. record: by the upstream, whose responses become the state of the emulator. replay:
    by recorded responses.

    Attributes:
        url: scheme, host, port and path of the endpoint, without a slash at its end.
        allows_writes: whether calls are forwarded that change something.
        forwarded, refused, failed: numbers of calls: forwarded ones, refused writes, and those without a
            usable response of the upstream.
        unrecorded: number of responses that could not be recorded.
        forwarder: None until the first call is forwarded.
    """

    def __init__(
        self,
        context: Context,
        url: str,
        mode: UpstreamMode,
        keys: LocalKeys,
        *,
        allows_writes: bool,
        max_body_bytes: int,
    ) -> None:
        self._context = context
        self.url = url
        self.mode = mode
        self.keys = keys
        self.allows_writes = allows_writes
        self.max_body_bytes = max_body_bytes
        self.forwarded = self.refused = self.failed = self.unrecorded = 0
        self.forwarder: Forwarder | None = None
        self._differences: DifferenceLog | None = None
        self._recorder: Recorder | None = None
        self._tape: Tape | None = None
        self._lock = threading.Lock()

    @property
    def differences(self) -> "DifferenceLog":
        if self._differences is None:
            from emulator.api.upstream.differences import DifferenceLog  # here, for a fast start

            self._differences = DifferenceLog(self.keys)
        return self._differences

    @property
    def recorder(self) -> "Recorder":
        """What records responses; opened at the first use. Raises ArchiveUnusable."""
        with self._lock:
            if self._recorder is None:
                from emulator.api.upstream.recording import open_recorder  # here, for a fast start

                self._recorder = open_recorder(self._context, self._folder, self.url)
            return self._recorder

    @property
    def tape(self) -> "Tape":
        """The recorded calls; opened at the first use. Raises TapeUnusable."""
        with self._lock:
            if self._tape is None:
                from emulator.pulling.recording.tape import Tape  # here, for a fast start

                self._tape = Tape(self._folder)
            return self._tape

    @property
    def has_recorded(self) -> bool:
        return self._recorder is not None or self._folder.is_dir()

    @property
    def _folder(self) -> Path:
        return self._context.folder / _RECORDED_FOLDER

    def set_mode(self, mode: UpstreamMode) -> None:
        """Choose who answers from now on; what was recorded is inserted before the emulator answers."""
        is_inserted = mode not in ("record", "replay") and self.has_recorded
        if is_inserted:
            self.recorder.insert(self._context)
        if mode == "replay":
            self.tape.rewind()
        self.mode = mode
        if is_inserted:
            self.recorder.insert(self._context)  # calls that were answered meanwhile

    def insert_earlier(self) -> None:
        """Insert what was recorded before the last end, unless it is to grow."""
        if self.mode in ("record", "replay") or not self.has_recorded:
            return
        from emulator.core.pulled.journal import ArchiveUnusable

        try:
            self.set_mode(self.mode)
        except ArchiveUnusable as error:
            _log.warning("What was recorded is not inserted: %s", error)

    async def settled(self) -> None:
        """Wait until all responses that have arrived are compared."""
        if self.forwarder is not None:
            await self.forwarder.settled()

    def clear(self) -> None:
        """Forget all counts and differences."""
        self.forwarded = self.refused = self.failed = self.unrecorded = 0
        if self._differences is not None:
            self._differences.clear()

    async def close(self) -> None:
        if self.forwarder is not None:
            await self.forwarder.close()
        if self._recorder is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._recorder.close)
        if self._tape is not None:
            self._tape.close()
