"""Suggestions for misspelled names, for messages of the control API."""

from collections.abc import Iterable
from difflib import get_close_matches

# Longer names are no misspellings of ours; comparing them would take long.
_LONGEST = 100


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """``; did you mean 'CreateTag'?`` for ``create_tags``; empty when no name is similar."""
    by_plain = {_plain(one): one for one in names}
    close = get_close_matches(_plain(name[:_LONGEST]), by_plain, 1)
    return f"; did you mean '{by_plain[close[0]]}'?" if close else ""


def _plain(name: str) -> str:
    return name.lower().replace("_", "")
