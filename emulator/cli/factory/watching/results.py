"""The results of a watched folder: JSON lines, one file a day, and the same as CSV.

A picture is done when its line is on the disk. Everything else is derived from these lines: which pictures
are left after a stop, the CSV files, where a picture belongs, and what was sent.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from emulator.durable_files import synchronize_folder, write_atomically

_PREFIX = "results-"
_COLUMNS = ("time", "file", "status", "tag", "probability", "iteration", "predictionId", "error")


class ResultsDamaged(Exception):
    """A line that is not the last one cannot be read. str() names it."""


class Picture(NamedTuple):
    """A picture at a time. path: relative to the folder, with slashes. modified: nanoseconds since 1970."""

    path: str
    size: int
    modified: int


class Position(NamedTuple):
    """A place in the lines of all files: name of the file and offset in bytes."""

    file: str = ""
    offset: int = 0


class Results:
    """The lines in a folder. Raises ResultsDamaged, OSError.

    done: the pictures that have a line, with the tag of their result; limited with `keep`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.done: dict[Picture, str] = {}
        for path in self._files():
            _remove_torn_line(path)
            rows = [entry for entry, _ in _entries(path, 0)]
            for entry in rows:
                self.done[_picture(entry)] = _tag_of(entry)
            _write_csv(path.with_suffix(".csv"), rows)

    def add(self, picture: Picture, entry: Mapping[str, Any], now: datetime) -> None:
        """Write the line of a picture, and wait until it is on the disk."""
        moment = now.astimezone(UTC)
        complete = {
            "time": moment.isoformat(timespec="milliseconds"),
            "file": picture.path,
            "size": picture.size,
            "modified": picture.modified,
            **entry,
        }
        path = self._folder / f"{_PREFIX}{moment:%Y-%m-%d}.jsonl"
        _append(path, _line(complete), durable=True)
        self.done[picture] = _tag_of(complete)
        table = path.with_suffix(".csv")
        row = _row(complete) if table.exists() else _HEADER + _row(complete)
        _append(table, row.encode(errors="replace"), durable=False)

    def keep(self, present: set[Picture]) -> None:
        """Forget the pictures that are gone, so that memory has a limit."""
        if len(self.done) > 2 * len(present) + 1000:
            self.done = {picture: tag for picture, tag in self.done.items() if picture in present}

    def after(self, position: Position) -> Iterator[tuple[dict[str, Any], Position]]:
        """The entries after a position, each with the position after it."""
        for path in self._files():
            if path.name >= position.file:
                begin = position.offset if path.name == position.file else 0
                for entry, offset in _entries(path, begin):
                    yield entry, Position(path.name, offset)

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob(f"{_PREFIX}*.jsonl"))


def _line(entry: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(entry, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # the name of a file that is not UTF-8: it is read again as it is
        return json.dumps(entry).encode() + b"\n"


def _append(path: Path, content: bytes, *, durable: bool) -> None:
    is_new = not path.exists()
    with path.open("ab") as file:
        file.write(content)
        file.flush()
        if durable:
            os.fsync(file.fileno())
    if durable and is_new:
        synchronize_folder(path.parent)


def _remove_torn_line(path: Path) -> None:
    """Cut off what follows the last complete line, as after a stop while it was written."""
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    last = content[content.rfind(b"\n", 0, max(0, end - 1)) + 1 : end]
    if last and not _is_entry(last):  # the length of a file can be on the disk before its content
        end -= len(last)
    if end != len(content):
        with path.open("r+b") as file:
            file.truncate(end)
            os.fsync(file.fileno())


def _is_entry(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _entries(path: Path, begin: int) -> Iterator[tuple[dict[str, Any], int]]:
    """The entries from an offset on, each with the offset after it."""
    with path.open("rb") as file:
        file.seek(begin)
        offset = begin
        for line in file:
            if not line.endswith(b"\n"):  # it is being written
                return
            offset += len(line)
            try:
                entry = json.loads(line)
                _picture(entry), _tag_of(entry)
            except (ValueError, LookupError, TypeError):
                raise ResultsDamaged(f"{path} is damaged before byte {offset}") from None
            yield entry, offset


def _picture(entry: Mapping[str, Any]) -> Picture:
    return Picture(str(entry["file"]), int(entry["size"]), int(entry["modified"]))


def _tag_of(entry: Mapping[str, Any]) -> str:
    return str(entry["tag"] or entry["status"])


def _write_csv(path: Path, entries: Sequence[Mapping[str, Any]]) -> None:
    """Write the table again unless it has a row for each entry."""
    try:
        text = path.read_bytes().decode(errors="replace")
        if (
            text.endswith("\n")
            and sum(1 for _ in csv.reader(io.StringIO(text, newline=""))) == len(entries) + 1
        ):
            return
    except (OSError, csv.Error):
        pass
    rows = [_HEADER, *(_row(entry) for entry in entries)]
    write_atomically(path, "".join(rows).encode(errors="replace"))


def _row(entry: Mapping[str, Any]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow([entry.get(name) for name in _COLUMNS])
    return written.getvalue()


_HEADER = _row({name: name for name in _COLUMNS})
