"""Checks of the names and descriptions that clients give."""

from emulator.core.errors import ServiceError
from emulator.core.limits import DESCRIPTION_LENGTH, NAME_LENGTH


def checked_name(text: str | None, code: str, what: str) -> str:
    """`text` without surrounding blanks. Raises ServiceError(code) when it is not a valid name.

    what: the thing that is named, for the message.
    """
    name = (text or "").strip()
    if not name:
        raise ServiceError(code, f"The name of the {what} must not be empty.")
    _check(name, NAME_LENGTH, code, f"name of the {what}")
    return name


def checked_description(text: str, code: str, what: str) -> str:
    _check(text, DESCRIPTION_LENGTH, code, f"description of the {what}")
    return text


def _check(text: str, longest: int, code: str, what: str) -> None:
    if len(text) > longest:
        raise ServiceError(code, f"The {what} has {len(text)} characters; at most {longest} are allowed.")
    if not text.isprintable() and any(
        ord(character) < 32 and character not in "\t\r\n" for character in text
    ):
        raise ServiceError(code, f"The {what} contains control characters.")
    if any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        raise ServiceError(code, f"The {what} is not valid Unicode.")
