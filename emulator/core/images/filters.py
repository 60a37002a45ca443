"""``$filter`` of image lists: ``metadata=shop eq 'north' and (colour ne 'red' or 'my key' eq 'it''s')``.

Not by a library: the service's form is not OData (its prefix, its keys without quotation marks), which
libraries for OData do not parse; nor do they limit the size of a filter.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from emulator.core.errors import ServiceError

LONGEST = 8192
MOST_COMPARISONS = 32
DEEPEST = 16

_PREFIX = re.compile(r"\s*metadata\s*=", re.IGNORECASE)
_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<bracket>[()])|(?P<word>[^\s'()]+))")
_OPERATORS = ("eq", "ne")
_WORDS = ("and", "or", *_OPERATORS)


class Comparison(NamedTuple):
    """`key` has `value`; negated: `key` has another value, or is missing."""

    key: str
    value: str
    negated: bool = False

    def matches(self, metadata: Mapping[str, str]) -> bool:
        return (metadata.get(self.key) == self.value) is not self.negated


class And(NamedTuple):
    parts: tuple["Expression", ...]

    def matches(self, metadata: Mapping[str, str]) -> bool:
        return all(part.matches(metadata) for part in self.parts)


class Or(NamedTuple):
    parts: tuple["Expression", ...]

    def matches(self, metadata: Mapping[str, str]) -> bool:
        return any(part.matches(metadata) for part in self.parts)


Expression = Comparison | And | Or


def parse(text: str) -> Expression:
    """The expression in `text`. Raises ServiceError BadRequest with the position of the first error."""
    if len(text) > LONGEST:
        raise ServiceError(
            "BadRequest", f"$filter has {len(text)} characters; at most {LONGEST} are allowed."
        )
    prefix = _PREFIX.match(text)
    if prefix is None:
        raise _unparsable(0, "'metadata=' at its beginning")
    return _Parser(text, prefix.end()).whole()


def _unparsable(position: int, expected: str) -> ServiceError:
    return ServiceError(
        "BadRequest", f"$filter does not parse at character {position + 1}: expected {expected}."
    )


class _Parser:
    """Recursive descent; `and` binds closer than `or`. Keywords are not case-sensitive."""

    def __init__(self, text: str, start: int) -> None:
        self._text = text
        self._comparisons = 0
        self._read(start)

    def whole(self) -> Expression:
        expression = self._alternatives(1)
        if self._kind != "end":
            raise self._expected("'and', 'or' or the end")
        return expression

    def _read(self, start: int) -> None:
        match = _TOKEN.match(self._text, start)
        if match is not None:
            self._kind, self._value = str(match.lastgroup), match[match.lastgroup or 0]
            self._start, self._end = match.start(self._kind), match.end()
            return
        self._end = len(self._text)
        self._start = self._end - len(self._text[start:].lstrip())
        # Only a quotation mark that is never closed begins no token.
        self._kind, self._value = ("end", "") if self._start == self._end else ("unended", "'")

    def _next(self) -> None:
        self._read(self._end)

    def _is_word(self, *words: str) -> bool:
        return self._kind == "word" and self._value.lower() in words

    def _expected(self, what: str) -> ServiceError:
        if self._kind == "unended":
            what = "a closing quotation mark for the text that begins here"
        return _unparsable(self._start, what)

    def _alternatives(self, depth: int) -> Expression:
        parts = [self._conjunction(depth)]
        while self._is_word("or"):
            self._next()
            parts.append(self._conjunction(depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _conjunction(self, depth: int) -> Expression:
        parts = [self._term(depth)]
        while self._is_word("and"):
            self._next()
            parts.append(self._term(depth))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _term(self, depth: int) -> Expression:
        if self._value != "(" or self._kind != "bracket":
            return self._comparison()
        if depth > DEEPEST:
            raise self._expected(f"no more than {DEEPEST} parentheses inside each other")
        self._next()
        inner = self._alternatives(depth + 1)
        if self._kind != "bracket" or self._value != ")":
            raise self._expected("'and', 'or' or a closing parenthesis")
        self._next()
        return inner

    def _comparison(self) -> Comparison:
        if self._kind not in ("word", "text") or self._is_word(*_WORDS):
            raise self._expected("a key (in quotation marks if it has blanks or is a word of the language)")
        self._comparisons += 1
        if self._comparisons > MOST_COMPARISONS:
            raise self._expected(f"no more than {MOST_COMPARISONS} comparisons")
        key = self._plain()
        self._next()
        if not self._is_word(*_OPERATORS):
            raise self._expected("'eq' or 'ne'")
        negated = self._is_word("ne")
        self._next()
        if self._kind != "text":
            raise self._expected("a value in single quotation marks")
        comparison = Comparison(key, self._plain(), negated)
        self._next()
        return comparison

    def _plain(self) -> str:
        return self._value[1:-1].replace("''", "'") if self._kind == "text" else self._value
