"""What the writers share: the files that they make, names of folders, and the zip archive of them."""

import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from emulator.data_sets.record import DataSet, ImageLabels, Problems

IMAGE_FOLDER = "images"
# The same data set has the same bytes at any time.
_TIME = (1980, 1, 1, 0, 0, 0)
# Not in names of files on Windows, or with a meaning in paths.
_NOT_IN_NAMES = frozenset('<>:"/\\|?*')
_NAMES_OF_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{name}{digit}" for name in ("com", "lpt") for digit in range(1, 10))}
)


class Output(NamedTuple):
    """A file of a data set. content: its bytes, or the image whose bytes it has."""

    name: str
    content: bytes | ImageLabels


def images_of(data: DataSet, folder: str) -> Iterator[Output]:
    """All images, in one folder."""
    for image in data.images:
        yield Output(f"{folder}/{image.file}", image)


def json_text(value: Any) -> bytes:
    """A value as JSON with one line for each element of its lists, so that messages can name lines.

    A list of many objects can be an iterator: each becomes text before the next one is made.
    """
    if isinstance(value, dict):
        members = (f"{json.dumps(name)}: {_list_text(item)}" for name, item in value.items())
        return ("{\n" + ",\n".join(members) + "\n}\n").encode()
    return (_list_text(value) + "\n").encode()


def _list_text(value: Any) -> str:
    if isinstance(value, list | Iterator):
        lines = ",\n".join(json.dumps(item, ensure_ascii=False) for item in value)
        return f"[\n{lines}\n]" if lines else "[]"
    return json.dumps(value, ensure_ascii=False)


def image_tags(data: DataSet, image: ImageLabels, losses: Problems) -> tuple[str, ...]:
    """The tags of an image for a format whose data sets for detection have boxes alone."""
    if not data.detection:
        return image.tags
    losses.note("Tags without a box are left out.", count=len(image.unboxed_tags))
    return ()


def folder_names(names: Iterable[str], losses: Problems, reserved: Iterable[str] = ()) -> dict[str, str]:
    """A folder for each tag: its name, with other characters where file systems do not allow them."""
    taken = {name.casefold() for name in reserved}
    found = {}
    for name in names:
        cleaned = "".join(
            "_" if character in _NOT_IN_NAMES or ord(character) < 32 else character for character in name
        ).rstrip(". ")
        if not cleaned or cleaned.startswith(".") or cleaned.casefold() in _NAMES_OF_DEVICES:
            cleaned = f"_{cleaned}"
        chosen, number = cleaned, 2
        while chosen.casefold() in taken:
            chosen, number = f"{cleaned}_{number}", number + 1
        taken.add(chosen.casefold())
        found[name] = chosen
        if chosen != name:
            losses.note(f"The folder of the tag '{name}' is named '{chosen}'.")
    return found


class _Sink(io.RawIOBase):
    """Takes what is written, until it is taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def zip_pieces(outputs: Iterable[Output], read: Callable[[ImageLabels], bytes]) -> Iterator[bytes]:
    """A zip archive of the files, in pieces of about one file. read: the bytes of an image."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, content in outputs:
            entry = zipfile.ZipInfo(name, _TIME)
            is_text = isinstance(content, bytes)
            entry.compress_type = zipfile.ZIP_DEFLATED if is_text else zipfile.ZIP_STORED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content if isinstance(content, bytes) else read(content))
            yield sink.take()
    yield sink.take()
