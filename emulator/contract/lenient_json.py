"""A reader of the JSON that Newtonsoft's Json.NET, the reader of the service, accepts beyond the standard.

This is: strings in single quotes; property names without quotes; commas after the last item; comments; line
breaks and ``\\'`` in strings; numbers such as ``.5``, ``5.``, ``0x1F`` and ``017``; NaN and Infinity.
Not accepted, unlike there: ``undefined``, ``new Date()``, empty items (``[,]``), characters U+0000.

JSON5 differs: it has other escapes, no line breaks in strings, numbers with a plus sign, and no octal ones.
The time is linear in the length of the text.
"""

import re
from functools import cache
from typing import Any, NoReturn

MAX_BYTES = 64 * 1024 * 1024
# Whitespace and comments are tokens too.
_MAX_TOKENS = 1_000_000
_MAX_ESCAPES = 1_000_000
_MAX_DEPTH = 128
# Patterns are compiled at their first use, since few requests need them.
# Possessive quantifiers, so that a string without its end is found in linear time and constant memory.
_LEXEMES = r"""(?P<blank>\s++)
    |(?P<comment>//[^\r\n]*+|/\*)
    |"(?P<double>[^"\\]*+(?:\\.[^"\\]*+)*+)"
    |'(?P<single>[^'\\]*+(?:\\.[^'\\]*+)*+)'
    |(?P<mark>[][{}:,])
    |(?P<number>-?(?:0[xX][0-9a-fA-F]{1,16}+|(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][-+]?[0-9]++)?+|Infinity|NaN)
        (?=[\s,}\]/:]|\Z))
    |(?P<word>[\w$]{1,1000}+)"""
_ESCAPES = r"""((?:\\u[0-9a-fA-F]{4})+)|\\(.)"""
_ESCAPED = {
    "b": "\b",
    "t": "\t",
    "n": "\n",
    "f": "\f",
    "r": "\r",
    "\\": "\\",
    '"': '"',
    "'": "'",
    "/": "/",
}
_CONSTANTS = {"true": True, "false": False, "null": None}
# What may follow, as the states of the reader.
_VALUE, _FIRST_ITEM, _NAME, _COLON, _AFTER_VALUE, _END = range(6)


class WrittenNumber(str):
    """A number as it is written in the text. As a text, the service's reader returns it so."""

    def to_float(self) -> float:
        """Its value. Raises ValueError for octal numbers with other digits, and OverflowError."""
        digits = self.lstrip("-")
        if digits[:2] in ("0x", "0X"):
            number = float(int(digits, 16))
        elif digits[0] == "0" and digits.isdecimal() and digits != "0":
            number = float(int(digits, 8))
        else:
            number = float(digits)
        return -number if self.startswith("-") else number


def loads(data: bytes) -> Any:
    """The value of a JSON text, with every number as a `WrittenNumber`. Raises ValueError."""
    if len(data) > MAX_BYTES:
        raise ValueError("The text is too long to be read leniently.")
    return _Reader(data.decode("utf-8")).read()


class _Reader:
    """Builds the value of `text` token by token, with a stack of the objects and arrays that are open."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._match_token = _compiled(_LEXEMES).match
        self._position = 0
        self._stack: list[Any] = []
        self._names: list[str] = []
        self._state = _VALUE
        self._result: Any = None

    def read(self) -> Any:
        if self._text.count("\\") > _MAX_ESCAPES:
            raise ValueError("The text has too many escapes.")
        for _ in range(_MAX_TOKENS):
            if self._position == len(self._text):
                if self._state != _END:
                    self._refuse()
                return self._result
            self._take_token()
        raise ValueError("The text has too many tokens.")

    def _take_token(self) -> None:
        match = self._match_token(self._text, self._position)
        if match is None:
            self._refuse()
        kind, text = match.lastgroup, match[match.lastgroup or 0]
        self._position = match.end()
        if kind == "blank":
            return
        if kind == "comment":
            if self._state == _COLON:
                self._refuse()
            if text == "/*":
                self._skip_to_end_of_comment()
        elif kind == "mark":
            self._take_mark(text)
        elif self._state == _NAME:
            self._take_name(kind, text)
        elif kind in ("double", "single"):
            self._add(_unescaped(text))
        elif kind == "number":
            self._add(WrittenNumber(text))
        elif text in _CONSTANTS:
            self._add(_CONSTANTS[text])
        else:
            self._refuse()

    def _skip_to_end_of_comment(self) -> None:
        end = self._text.find("*/", self._position)
        if end < 0:
            self._refuse()
        self._position = end + 2

    def _take_name(self, kind: str | None, text: str) -> None:
        if kind == "number" and not text.isalnum():
            self._refuse()
        self._names.append(_unescaped(text) if kind in ("double", "single") else text)
        self._state = _COLON

    def _take_mark(self, mark: str) -> None:
        state = self._state
        if mark in "[{" and state in (_VALUE, _FIRST_ITEM):
            if len(self._stack) >= _MAX_DEPTH:
                raise ValueError("The text is nested too deeply.")
            self._stack.append([] if mark == "[" else {})
            self._state = _FIRST_ITEM if mark == "[" else _NAME
        elif mark == ":" and state == _COLON:
            self._state = _VALUE
        elif mark == "," and state == _AFTER_VALUE:
            # After a comma, the end of the object or array may follow.
            self._state = _NAME if isinstance(self._stack[-1], dict) else _FIRST_ITEM
        elif mark in "]}" and state in (_FIRST_ITEM, _NAME, _AFTER_VALUE) and self._is_open(mark):
            self._add(self._stack.pop(), is_complete=True)
        else:
            self._refuse()

    def _is_open(self, end: str) -> bool:
        """Whether `end` is the end of the innermost object or array."""
        return bool(self._stack) and isinstance(self._stack[-1], list if end == "]" else dict)

    def _add(self, value: Any, *, is_complete: bool = False) -> None:
        """Add a value to the innermost open object or array. is_complete: it was open until now."""
        if not is_complete and self._state not in (_VALUE, _FIRST_ITEM):
            self._refuse()
        if not self._stack:
            self._result, self._state = value, _END
            return
        holder = self._stack[-1]
        if isinstance(holder, dict):
            holder[self._names.pop()] = value
        else:
            holder.append(value)
        self._state = _AFTER_VALUE

    def _refuse(self) -> NoReturn:
        raise ValueError(f"Unexpected text at character {self._position}.")


def _unescaped(text: str) -> str:
    """Raises ValueError for unknown escapes and for surrogates without their pair."""
    if "\\" not in text:
        return text
    return _compiled(_ESCAPES).sub(_unescaped_once, text)


def _unescaped_once(match: re.Match[str]) -> str:
    if match[1]:
        return bytes.fromhex(match[1].replace("\\u", "")).decode("utf-16-be")
    if match[2] not in _ESCAPED:
        raise ValueError(f"Unknown escape \\{match[2]}.")
    return _ESCAPED[match[2]]


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.DOTALL | re.VERBOSE)
