"""The upstream: who answers calls, and what the control API shows."""

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from starlette.types import Receive, Scope, Send

from emulator.gateway.keys import KEY_HEADERS

if TYPE_CHECKING:
    from emulator.api.upstream.differences import DifferenceLog

UpstreamMode = Literal["local", "shadow"]
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
    differences are noted.

    Attributes:
        url: scheme, host, port and path of the endpoint, without a slash at its end.
        allows_writes: whether calls are forwarded that change something.
        forwarded, refused, failed: numbers of calls: forwarded ones, refused writes, and those without a
            usable response of the upstream.
        forwarder: None until the first call is forwarded.
    """

    def __init__(
        self, url: str, mode: UpstreamMode, keys: LocalKeys, *, allows_writes: bool, max_body_bytes: int
    ) -> None:
        self.url = url
        self.mode = mode
        self.keys = keys
        self.allows_writes = allows_writes
        self.max_body_bytes = max_body_bytes
        self.forwarded = self.refused = self.failed = 0
        self.forwarder: Forwarder | None = None
        self._differences: DifferenceLog | None = None

    @property
    def differences(self) -> "DifferenceLog":
        if self._differences is None:
            from emulator.api.upstream.differences import DifferenceLog  # here, for a fast start

            self._differences = DifferenceLog(self.keys)
        return self._differences

    async def settled(self) -> None:
        """Wait until all responses that have arrived are compared."""
        if self.forwarder is not None:
            await self.forwarder.settled()

    def clear(self) -> None:
        """Forget all counts and differences."""
        self.forwarded = self.refused = self.failed = 0
        if self._differences is not None:
            self._differences.clear()

    async def close(self) -> None:
        if self.forwarder is not None:
            await self.forwarder.close()
