"""Calls and results of jobs as bytes, with paths that are valid on another machine.

A path in the data folder becomes a reference: to a blob, by its name, or to a file or folder by its path from
the data folder. The receiver chooses what the references stand for.
"""

import io
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from emulator.store.blobs import blob_path
from emulator.worker.executor import ResultUnpickler

_BLOB_NAME = re.compile(r"[0-9a-f]{64}")
_BLOB, _FILE = "blob", "file"


class Packed(NamedTuple):
    """A value as bytes.

    blobs: the names of all blobs that it refers to, each once. files: the other paths, from the data folder,
    with slashes.
    """

    content: bytes
    blobs: list[str]
    files: list[str]


def pack(value: object, *folders: Path) -> Packed:
    """Pickle a value; its paths in the data folder become references.

    These are all instances of `Path`, and the texts that are the path of a blob. Raises the exceptions of
    pickle.

    Args:
        folders: one or more that together are the data folder; a path belongs to the first one that it is in.
    """
    stream = io.BytesIO()
    pickler = _Pickler(stream, folders)
    pickler.dump(value)
    return Packed(stream.getvalue(), list(pickler.blobs), list(pickler.files))


def unpack(content: bytes, blob: Callable[[str], Path], file: Callable[[str], Path]) -> Any:
    """The value of `pack`. Raises the exceptions of pickle.

    Args:
        blob: the path of a blob, by its name.
        file: the path of another file or folder, by its path from the data folder, with slashes.
    """
    return _Unpickler(content, blob, file).load()


class _Pickler(pickle.Pickler):
    def __init__(self, stream: io.BytesIO, folders: tuple[Path, ...]) -> None:
        super().__init__(stream, pickle.HIGHEST_PROTOCOL)
        self._folders = {f"{folder}{os.sep}": folder for folder in folders}
        # Dictionaries keep the order.
        self.blobs: dict[str, None] = {}
        self.files: dict[str, None] = {}

    def persistent_id(self, value: object) -> tuple[str, str, bool] | None:
        is_text = type(value) is str
        if not is_text and not isinstance(value, PurePath):
            return None
        text = str(value)
        folder = next((found for start, found in self._folders.items() if text.startswith(start)), None)
        if folder is None:
            return None
        name = text.rpartition(os.sep)[2]
        if _BLOB_NAME.fullmatch(name) and text == str(blob_path(folder, name)):
            self.blobs[name] = None
            return _BLOB, name, is_text
        if is_text:  # a text of a person, such as the name of a tag
            return None
        relative = PurePath(text).relative_to(folder).as_posix()
        self.files[relative] = None
        return _FILE, relative, False


class _Unpickler(ResultUnpickler):
    def __init__(self, content: bytes, blob: Callable[[str], Path], file: Callable[[str], Path]) -> None:
        super().__init__(content, importing=True)
        self._paths = {_BLOB: blob, _FILE: file}

    def persistent_load(self, id: tuple[str, str, bool]) -> str | Path:
        kind, name, is_text = id
        path = self._paths[kind](name)
        return str(path) if is_text else path
