"""How many stored predictions are kept, and for how long."""

from collections.abc import Callable
from datetime import timedelta

from emulator.core.rules.limits import STORED_PREDICTION_DAYS

# Counting all rows takes a millisecond for 100,000, so that a number is kept, and compared from time to time.
_COUNTED_EVERY = 1000


class KeptPredictions:
    """The limits of stored predictions, and their number as far as it is known.

    All methods are called within write transactions, of which there is one at a time.

    Args:
        days: after which they expire.
        most: the largest number in the whole emulator; 0 for no limit.
    """

    def __init__(self, days: int = STORED_PREDICTION_DAYS, most: int = 0) -> None:
        self.days = days
        self.most = most
        self._number: int | None = None
        self._until_count = 0

    @property
    def time(self) -> timedelta:
        return timedelta(days=self.days)

    def excess(self, adding: int, count: Callable[[], int]) -> int:
        """How many must be deleted before `adding` others are added. count: reads their number."""
        if not self.most:
            return 0
        if self._number is None or self._until_count <= 0:
            self._number = count()
            self._until_count = _COUNTED_EVERY
        self._until_count -= adding
        return max(0, self._number + adding - self.most)

    def changed(self, difference: int) -> None:
        """Predictions were added or deleted."""
        if self._number is not None:
            self._number += difference

    def forget(self) -> None:
        """Rows were deleted or replaced in another way."""
        self._number = None
