"""GUIDs as the service reads and writes them."""

import re

_GUID = re.compile(
    r"\{?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})\}?", re.IGNORECASE
)


def guid(text: object) -> str:
    """`text` as a lower-case hyphenated GUID. Raises ValueError when it is none."""
    match = _GUID.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("is not a GUID")
    return "-".join(match.groups()).lower()
