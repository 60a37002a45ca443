"""Large JSON files, one element of an array after the other: the memory is that of the largest element.

A parser of whole files takes ten times the size of the file; files of COCO have up to gigabytes.
"""

import io
import json
import re
from collections.abc import Iterator
from typing import Any

from emulator.data_sets.files import Files, head, unreadable
from emulator.data_sets.record import DataSetUnreadable, Place
from emulator.zip_archives import DAMAGED

_CHUNK_CHARACTERS = 2**18
# One annotation with the polygons or the mask of a large object.
_MOST_CHARACTERS = 2**25
_BLANK = re.compile(r"[ \t\r\n]*")
# An element of an array that a chunk may have cut: a number at its end could go on.
_MAY_GO_ON = re.compile(r"[-+0-9.eE]*")


def json_head(files: Files, name: str) -> str:
    """The first 64 KB of a JSON file, from its first value on. Raises DataSetUnreadable."""
    return head(files, name).decode("utf-8", "replace").lstrip("\ufeff \t\r\n")


class JsonReader:
    """Reads the values of a JSON file as they come; to be closed. Raises DataSetUnreadable with the line."""

    def __init__(self, files: Files, name: str) -> None:
        self._name = name
        self._file = io.TextIOWrapper(files.open(name), encoding="utf-8-sig")
        self._decoder = json.JSONDecoder(parse_constant=self._constant)
        self._buffer, self._at, self._line, self._counted = "", 0, 1, 0
        self._is_at_end = False

    @property
    def place(self) -> Place:
        """The file and the line that is being read."""
        self._line += self._buffer.count("\n", self._counted, self._at)
        self._counted = self._at
        return Place(self._name, self._line)

    def first(self) -> str:
        """The first character of the next value, which stays to be read; empty at the end."""
        while True:
            match = _BLANK.match(self._buffer, self._at)
            assert match is not None
            self._at = match.end()
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._more():
                return ""

    def value(self) -> Any:
        """The next value as a whole."""
        self.first()
        while True:
            try:
                found, end = self._decoder.raw_decode(self._buffer, self._at)
            except json.JSONDecodeError as error:
                if len(self._buffer) - self._at <= _MOST_CHARACTERS and self._more():
                    continue
                self._at = max(self._at, min(error.pos, len(self._buffer)))
                raise self.wrong(f"It is not JSON: {error.msg}.") from None
            except RecursionError:
                raise self.wrong("Its values are nested too deeply.") from None
            if end == len(self._buffer) and _MAY_GO_ON.fullmatch(self._buffer, end - 1) and self._more():
                continue
            self._at = end
            return found

    def items(self) -> Iterator[Any]:
        """The elements of the next value, which must be an array."""
        self._expect("[", "A list")
        if self.first() == "]":
            self._at += 1
            return
        while True:
            self.first()
            yield self.value()
            if not self._goes_on("]"):
                return

    def members(self) -> Iterator[str]:
        """The names of the next value, which must be an object; the caller reads each value."""
        self._expect("{", "An object")
        if self.first() == "}":
            self._at += 1
            return
        while True:
            if self.first() != '"':
                raise self.wrong("A name of a property is expected.")
            name = self.value()
            self._expect(":", "A colon")
            yield name
            if not self._goes_on("}"):
                return

    def skip(self) -> None:
        """Pass over the next value without keeping it, whatever its size."""
        opening = self.first()
        if opening == "[":
            for _ in self.items():
                pass
        elif opening == "{":
            for _ in self.members():
                self.skip()
        else:
            self.value()

    def close(self) -> None:
        self._file.close()

    def wrong(self, message: str) -> DataSetUnreadable:
        """The error for what is being read."""
        return DataSetUnreadable(message, *self.place)

    def _expect(self, character: str, what: str) -> None:
        found = self.first()
        if found != character:
            raise self.wrong(f"{what} is expected" + (f", not {found!r}." if found else "."))
        self._at += 1

    def _goes_on(self, closing: str) -> bool:
        found = self.first()
        if found not in (",", closing):
            raise self.wrong(f"It is not JSON: ',' or '{closing}' is expected.")
        self._at += 1
        return found == ","

    def _more(self) -> bool:
        """Read on; what has been read is dropped. False at the end of the file."""
        if self._is_at_end:
            return False
        try:
            chunk = self._file.read(max(_CHUNK_CHARACTERS, len(self._buffer) - self._at))
        except UnicodeDecodeError:
            raise self.wrong("It is not a text in UTF-8.") from None
        except DAMAGED as error:
            raise unreadable(self._name, error) from None
        if not chunk:
            self._is_at_end = True
            return False
        _ = self.place  # counts the lines before they are dropped
        self._buffer, self._at, self._counted = self._buffer[self._at :] + chunk, 0, 0
        return True

    def _constant(self, name: str) -> Any:
        raise self.wrong(f"It is not JSON: it has the number {name}.")
