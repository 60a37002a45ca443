"""The names of formats in requests."""

from emulator.core.errors import ServiceError
from emulator.core.rules.validation import in_any_case
from emulator.data_sets.formats import FORMATS


def known_format(text: str) -> str:
    """The name in `FORMATS` that matches in any case. Raises ServiceError."""
    found = in_any_case(text, tuple(FORMATS))
    if found is None:
        known = ", ".join(FORMATS)
        raise ServiceError("BadRequest", f"There is no format '{text[:50]}'; there are {known}.")
    return found
