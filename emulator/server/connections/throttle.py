"""Messages that clients can cause are logged once in a while, so that they cannot fill the log."""


class Throttle:
    """Allows one message per period."""

    def __init__(self, seconds: float = 60) -> None:
        self._seconds = seconds
        self._next: float | None = None

    def allows(self, now: float) -> bool:
        """Whether a message may be logged at `now`, in seconds of any steady clock."""
        if self._next is not None and now < self._next:
            return False
        self._next = now + self._seconds
        return True
