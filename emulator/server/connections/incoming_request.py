"""Limits of the request that is arriving on a connection: sizes of its parts, and the client's speed.

The sizes bound memory and time before the application, which checks the key, receives the request. They are
checked while bytes arrive, since the parser reports a header only when it is complete.
"""

from __future__ import annotations

# Stages of a request: none is arriving; its header section is; its body is.
NONE, HEAD, BODY = range(3)

LONGEST_URL = 1024 * 1024
MOST_HEADERS = 1000
MOST_HEADER_BYTES = 256 * 1024
# Bytes of header sections that are arriving, of all connections together.
_MOST_HELD_BYTES = 64 * 1024 * 1024
# Chunks of one byte have five more bytes each: their length and two line ends.
_OVERHEAD_PER_BODY_BYTE = 16
# A client may send nothing for this time, and on the average not less than the rate.
HEAD_SECONDS = 30.0
BODY_SECONDS = 60.0
BYTES_PER_SECOND = 500


class RequestRefused(Exception):
    """The request exceeds a limit of the server. str() is the message for the client."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class HeaderBudget:
    """The memory for header sections that are arriving on the connections of a server."""

    def __init__(self) -> None:
        self.held_bytes = 0

    @property
    def is_exceeded(self) -> bool:
        return self.held_bytes > _MOST_HELD_BYTES


class IncomingRequest:
    """Counters of the request that is arriving on one connection.

    Attributes:
        stage: NONE, HEAD or BODY.
        arrived: bytes on the connection so far.
        body_bytes: bytes of the body so far, without the framing of chunks.
        held_bytes: bytes of an incomplete header section that count in the budget.
        seconds_left: the time that the client has for the rest if it sends nothing.
    """

    __slots__ = (
        "_budget",
        "_header_bytes",
        "_headers",
        "_is_new",
        "_last_arrived",
        "_request_bytes",
        "_url",
        "_url_bytes",
        "arrived",
        "body_bytes",
        "held_bytes",
        "seconds_left",
        "stage",
    )

    def __init__(self, budget: HeaderBudget) -> None:
        self._budget = budget
        self.stage = NONE
        self.arrived = 0
        self.held_bytes = 0
        self._last_arrived = 0

    # The parts of a request

    def begin(self) -> None:
        """The first byte of a request has arrived."""
        self.end()
        self.stage = HEAD
        self._is_new = True
        self._url: list[bytes] = []
        self._url_bytes = self._headers = self._header_bytes = self._request_bytes = self.body_bytes = 0
        self.seconds_left = HEAD_SECONDS

    def add_url(self, piece: bytes) -> None:
        """Raises RequestRefused."""
        self._url.append(piece)
        self._url_bytes += len(piece)
        if self._url_bytes > LONGEST_URL:
            raise RequestRefused(400, f"The URL is too long; at most {LONGEST_URL} bytes are allowed.")

    def url(self) -> bytes:
        return b"".join(self._url)

    def add_header(self, size: int) -> None:
        """Count a complete header. Raises RequestRefused."""
        self._headers += 1
        self._header_bytes += size
        if self._headers > MOST_HEADERS or self._header_bytes > MOST_HEADER_BYTES:
            raise _headers_too_large()

    def begin_body(self) -> None:
        """The header section is complete."""
        self._release()
        self._url = []
        self.stage = BODY
        self.seconds_left = BODY_SECONDS

    def end(self) -> None:
        """The request is complete, or the connection has ended."""
        self._release()
        self.stage = NONE

    def _release(self) -> None:
        if self.held_bytes:
            self._budget.held_bytes -= self.held_bytes
            self.held_bytes = 0

    # Bytes of the connection, between which the parts are reported

    def begin_data(self) -> None:
        """Bytes are parsed next."""
        self._is_new = False

    def end_data(self, size: int) -> None:
        """Count parsed bytes: those that are no part of URL or body. Raises RequestRefused.

        Bytes in which a request begins are not counted, since they may belong to an earlier one.
        """
        self.arrived += size
        if self.stage == NONE:
            return
        if self.stage == HEAD:
            self.held_bytes += size
            self._budget.held_bytes += size
        if self._is_new:
            return
        self._request_bytes += size
        overhead = self._request_bytes - self._url_bytes - self.body_bytes
        if self.stage == HEAD:
            if overhead > MOST_HEADER_BYTES:
                raise _headers_too_large()
        elif overhead > 2 * MOST_HEADER_BYTES + _OVERHEAD_PER_BODY_BYTE * self.body_bytes:
            raise RequestRefused(431, "The trailer section or a chunk extension is too large.")

    # Time

    def check_speed(self, seconds: float, *, is_waiting: bool) -> None:
        """Count time in which bytes should have arrived. Raises RequestRefused.

        Args:
            seconds: the time since the last call.
            is_waiting: whether the server reads, and the client is to send.
        """
        arrived = self.arrived - self._last_arrived
        self._last_arrived = self.arrived
        if not is_waiting:
            return
        most = HEAD_SECONDS if self.stage == HEAD else BODY_SECONDS
        self.seconds_left = min(most, self.seconds_left - seconds + arrived / BYTES_PER_SECOND)
        if self.seconds_left <= 0:
            raise RequestRefused(408, "The request did not arrive in time.")


def _headers_too_large() -> RequestRefused:
    return RequestRefused(
        431,
        f"The header section is too large; at most {MOST_HEADERS} headers with together "
        f"{MOST_HEADER_BYTES} bytes are allowed.",
    )
