"""Parts of requests as they are logged: on one line, printable, shortened, without keys and signatures."""

import re
from collections.abc import Iterable
from typing import Protocol
from weakref import ref

from starlette.types import Scope

LONGEST_PATH = 2000
# Shorter keys would be found in ordinary words.
_SHORTEST_SECRET = 4
# The form of the keys of resources, of which only hashes are known (`core.resources`); ids have it, too.
_GENERATED_KEY_LENGTH = 32
_GENERATED_KEY = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{32}(?![0-9A-Za-z])")
_NOT_PRINTABLE_ASCII = re.compile(rb"[^!-~]")
# Longer texts are cut, so that a log line costs little, whatever a client sends. For the same reason, no
# pattern may search the rest of the text again from each place where it could begin.
_LONGEST_SEARCHED = 16_384
_USER_IN_URL = re.compile(r"(://)[^/\s?#'\"@]*@")
_WORD = re.compile(r"[^\s'\"]+")
_SECRET_PARAMETER = re.compile(
    # Also percent-encoded, once or more often.
    r"((?:sig|signature|token|key|secret|password|pwd)(?:=|%(?:25)*3D)['\"]?)[^&\s,;'\"]+",
    re.IGNORECASE,
)
_SECRET_NAME = re.compile(r".*(?:sig|signature|token|key|secret|password|pwd)", re.IGNORECASE | re.DOTALL)
_QUERY_BEGIN = re.compile(r"[?#]")


class KeyTable(Protocol):
    """The keys of resources, by their hashes."""

    def may_have(self, key: bytes) -> bool:
        """Whether a key is valid, or it cannot be told now. Reads no database."""


# Those of the servers in this process: the log is that of the process, too.
_key_tables: list[ref[KeyTable]] = []


def know_keys(keys: KeyTable) -> None:
    """Let `without_secrets` show texts of the form of keys, such as ids, that are no keys in `keys`."""
    _key_tables[:] = [*_key_tables, ref(keys)]


def forget_keys(keys: KeyTable) -> None:
    """End the effect of `know_keys`."""
    _key_tables[:] = [one for one in _key_tables if one() not in (None, keys)]


def printable_path(scope: Scope) -> str:
    """The path as the client sent it, without the query; percent-encoded, so that it cannot forge lines."""
    sent: bytes = scope.get("raw_path") or scope["path"].encode()
    path = sent.partition(b"?")[0][:LONGEST_PATH]
    return _NOT_PRINTABLE_ASCII.sub(lambda found: b"%%%02X" % found[0][0], path).decode("ascii")


def printable(text: str, longest: int) -> str:
    """The text with escapes for line breaks, control characters and lone surrogates, shortened in the middle.

    Names that clients send can be in any language, so other characters stay.
    """
    if len(text) > 2 * longest:
        text = text[:longest] + text[-longest:]
    if not text.isprintable():
        text = "".join(
            character if character.isprintable() else character.encode("unicode_escape").decode()
            for character in text
        )
    if len(text) <= longest:
        return text
    half = (longest - 3) // 2
    return f"{text[:half]}...{text[-half:]}"


def without_query(name: str) -> str:
    """A name that may be a URL, without its query, in which signatures are."""
    query = _QUERY_BEGIN.search(name)
    if query is None or "=" not in name[query.end() :]:
        return name
    return f"{name[: query.start()]}?***"


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """The text without `secrets`, keys of resources, queries of URLs (where signatures are) and values of
    other secrets.

    Without `know_keys`, each text of the form of a generated key is taken for one. Of a long text,
    only the beginning is returned.
    """
    hidden = [secret for secret in secrets if len(secret) >= _SHORTEST_SECRET]
    is_cut = len(text) > _LONGEST_SEARCHED
    text = text[:_LONGEST_SEARCHED]
    for secret in hidden:
        text = text.replace(secret, "***")
    if is_cut:  # the end may be a part of a secret
        text = text[: len(text) - max([_GENERATED_KEY_LENGTH, *map(len, hidden)])] + "..."
    text = _GENERATED_KEY.sub(_without_key, text)
    text = _USER_IN_URL.sub(r"\1***@", text)
    text = _WORD.sub(_without_query_of_url, text)
    return _SECRET_PARAMETER.sub(r"\1***", text)


def is_secret_name(name: str) -> bool:
    """Whether a query parameter of this name holds a key, a token or a signature."""
    return _SECRET_NAME.fullmatch(name) is not None


def _without_key(found: re.Match[str]) -> str:
    key = found[0].encode()
    tables = [table for one in _key_tables if (table := one()) is not None]
    return "***" if not tables or any(table.may_have(key) for table in tables) else found[0]


def _without_query_of_url(word: re.Match[str]) -> str:
    text = word[0]
    scheme_end = text.find("://")
    query = _QUERY_BEGIN.search(text, scheme_end) if scheme_end >= 0 else None
    return text if query is None else f"{text[: query.start()]}?***"
