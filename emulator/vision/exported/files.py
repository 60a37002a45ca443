"""The files of an exported model: read from the downloaded zip, or from a folder with its content.

A zip is not trusted. Its directory is limited in size before it is read, a path that leads out of it rejects
the whole file, only files that are needed are unpacked, each up to a limit, and nothing is written to disk.
``docs/serve-model.md`` describes the content of the service's exports.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from emulator.vision.exported.input_choices import CHOICES_FILE, NO_CHOICES, InputChoices, choices_in
from emulator.vision.onnx_runtime import ModelUnusable

Kind = Literal["onnx", "frozen graph", "saved model", "tflite", "openvino"]

MEGABYTE = 2**20
MODEL_BYTES = 512 * MEGABYTE
MAX_LABELS = 2000
MAX_LABEL_LENGTH = 256
_DIRECTORY_BYTES = MEGABYTE
_MAX_FILES = 2000
_TEXT_BYTES = MEGABYTE

MANIFEST, LABELS, METADATA = "cvexport.manifest", "labels.txt", "metadata_properties.json"
# In order of preference: of several models, the first that needs no other runtime is taken.
_KINDS: dict[str, Kind] = {
    "model.onnx": "onnx",
    "model.pb": "frozen graph",
    "saved_model.pb": "saved model",
    "model.tflite": "tflite",
    "model.xml": "openvino",
    "graph.lite": "tflite",  # 2019
}
_UNSUPPORTED = {"model.mlmodel": "CoreML", "model.json": "TensorFlow.js"}
# Control characters, line and paragraph separators, surrogates.
_NOT_IN_LABELS = frozenset({"Cc", "Zl", "Zp", "Cs"})
_VARIABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,100}")
_log = logging.getLogger(__name__)
_END_RECORD = b"PK\x05\x06"
_END_RECORD_BYTES = 22
_MAX_COMMENT_BYTES = 0xFFFF


class ExportUnusable(ModelUnusable):
    """The files are not an exported model that can be run; `str()` says why in one sentence."""


@dataclass(frozen=True)
class ExportedFiles:
    """An exported model, with each of its parts checked.

    Attributes:
        kind: the model format.
        model: its files by their names: ``model.onnx``, or ``saved_model.pb`` and ``variables/...``.
        labels: the tags, in the order of the model's outputs; empty if the manifest states that the model
            contains them.
        metadata: of ``metadata_properties.json``; empty for exports from before the end of 2020.
        iteration_id: of the exported iteration, from the manifest; None if it has none.
        digest: SHA-256 of the model's files, in hexadecimal.
        domain_type: "Classification" or "ObjectDetection", from the manifest; empty if it has none.
        exported: the date of the manifest; empty if it has none.
        choices: the preprocessing that the file `input_choices.CHOICES_FILE` has.
    """

    kind: Kind
    model: Mapping[str, bytes]
    labels: tuple[str, ...]
    metadata: Mapping[str, str]
    iteration_id: str | None
    digest: str
    domain_type: str = ""
    exported: str = ""
    choices: InputChoices = NO_CHOICES


def is_zip(start: bytes) -> bool:
    """Whether a file that starts with these bytes claims to be a zip."""
    return start.startswith(b"PK")


def read_export(source: Path | bytes) -> ExportedFiles:
    """Read the files of a zip (its path or its content), or of a folder.

    Raises:
        OSError: it cannot be read.
        ExportUnusable: it is not an export, is damaged, is incomplete, or is too large.
    """
    if isinstance(source, Path) and source.is_dir():
        return _found(_Folder(source))
    if isinstance(source, bytes):
        return _from_zip(BytesIO(source))
    with source.open("rb") as file:
        return _from_zip(file)


def _from_zip(file: IO[bytes]) -> ExportedFiles:
    _check_directory(file)
    try:
        with zipfile.ZipFile(file) as archive:
            return _found(_Zip(archive))
    except ExportUnusable:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        raise ExportUnusable(f"The zip is damaged: {error}") from None
    except RuntimeError:
        raise ExportUnusable("The zip is encrypted.") from None
    except Exception as error:
        # The decompressors of bzip2 and LZMA have errors of their own.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ExportUnusable(f"The zip is damaged: {error}") from None


def _check_directory(file: IO[bytes]) -> None:
    """Reject a zip directory that would fill the memory, before Python's reader loads it."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _END_RECORD_BYTES - _MAX_COMMENT_BYTES))
    tail = file.read()
    place = tail.rfind(_END_RECORD)
    record = tail[place : place + _END_RECORD_BYTES]
    if place < 0 or len(record) < _END_RECORD_BYTES:
        raise ExportUnusable("It is not a zip.")
    count = int.from_bytes(record[10:12], "little")
    directory = int.from_bytes(record[12:16], "little")
    if count > _MAX_FILES or directory > _DIRECTORY_BYTES:
        raise ExportUnusable(f"The zip holds more than {_MAX_FILES} files; an export holds a few.")


class _Zip:
    """Names and contents of a zip."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._entries: dict[str, zipfile.ZipInfo] = {}
        for entry in archive.infolist():
            # orig_filename is the name in the file; in `filename` the system's separator is replaced.
            name = entry.orig_filename
            if _is_outside(name):
                raise ExportUnusable(f"The zip holds a path that leads out of it: {name[:100]!r}.")
            if entry.is_dir():
                continue
            if name in self._entries:
                raise ExportUnusable(f"The zip holds two files named {name[:100]!r}.")
            self._entries[name] = entry

    @property
    def names(self) -> list[str]:
        return list(self._entries)

    def read(self, name: str, limit: int) -> bytes:
        entry = self._entries[name]
        if entry.file_size > limit:
            raise _too_large(name, limit)
        with self._archive.open(entry) as file:
            content = file.read(limit + 1)  # the size in the directory may be wrong
        if len(content) > limit:
            raise _too_large(name, limit)
        return content


class _Folder:
    """Names and contents of a folder, without subfolders except `variables`.

    Without a model in it, the only subfolder that has one is read, such as `app` of an unpacked container.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder = _folder_of_model(folder)
        self.names = [path.name for path in sorted(folder.iterdir()) if path.is_file()]
        variables = folder / "variables"
        if variables.is_dir():
            self.names += [f"variables/{path.name}" for path in sorted(variables.iterdir())]

    def read(self, name: str, limit: int) -> bytes:
        with (self._folder / name).open("rb") as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise _too_large(name, limit)
        return content


def _folder_of_model(folder: Path) -> Path:
    def has_model(path: Path) -> bool:
        return any((path / base).is_file() for base in (*_KINDS, *_UNSUPPORTED))

    if has_model(folder):
        return folder
    found = [path for path in folder.iterdir() if path.is_dir() and has_model(path)]
    return found[0] if len(found) == 1 else folder


def _is_outside(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return name.startswith(("/", "\\")) or ".." in parts or ":" in name or "\0" in name


def _too_large(name: str, limit: int) -> ExportUnusable:
    return ExportUnusable(f"{name[:100]} is larger than {limit // MEGABYTE} MB.")


def _found(files: _Zip | _Folder) -> ExportedFiles:
    manifest_path = _shallowest(files.names, MANIFEST)
    manifest = {} if manifest_path is None else _json_object(files.read, manifest_path)
    model_path = _model_path(files.names, manifest.get("ModelFileName"))
    kind = _KINDS[PurePosixPath(model_path).name]
    folder = PurePosixPath(model_path).parent
    model = _model_files(files, folder, model_path, kind)
    labels_path = _announced_or(files.names, folder, manifest.get("LabelFileName"), LABELS)
    if labels_path is not None:
        labels = _labels(files.read(labels_path, _TEXT_BYTES))
    elif "LabelFileName" in manifest and not manifest["LabelFileName"] and kind == "onnx":
        labels = ()
    else:
        raise ExportUnusable("labels.txt is missing, which names the tags.")
    _check_hash(manifest.get("ModelFileSHA1"), model, kind)
    metadata_path = _announced_or(files.names, folder, manifest.get("MetadataPropsFileName"), METADATA)
    metadata = {} if metadata_path is None else _json_object(files.read, metadata_path)
    digest = hashlib.sha256()
    for name in sorted(model):
        digest.update(model[name])
    iteration_id = manifest.get("IterationId")
    return ExportedFiles(
        kind=kind,
        model=model,
        labels=labels,
        metadata={
            name: str(value)
            for name, value in metadata.items()
            if isinstance(value, str | int | float) and not isinstance(value, bool)
        },
        iteration_id=iteration_id if isinstance(iteration_id, str) else None,
        digest=digest.hexdigest(),
        domain_type=_text(manifest.get("DomainType")),
        exported=_text(manifest.get("ExportedDate")),
        choices=_choices(files, folder),
    )


def _choices(files: _Zip | _Folder, folder: PurePosixPath) -> InputChoices:
    path = _beside(files.names, folder, CHOICES_FILE)
    if path is None:
        return NO_CHOICES
    try:
        return choices_in(_json_object(files.read, path))
    except ValueError as error:
        raise ExportUnusable(f"{CHOICES_FILE}: {error}.") from None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _shallowest(names: list[str], base: str) -> str | None:
    """The path of a file of this name; of several, the one in the fewest folders."""
    found = [name for name in names if PurePosixPath(name).name == base]
    return min(found, key=lambda name: (name.count("/"), name), default=None)


def _beside(names: list[str], folder: PurePosixPath, base: str) -> str | None:
    path = str(folder / base)
    return path if path in names else _shallowest(names, base)


def _announced_or(names: list[str], folder: PurePosixPath, announced: object, usual: str) -> str | None:
    """The path of a file with the name in the manifest, if there is one, or else with the usual name."""
    if isinstance(announced, str) and announced:
        path = _beside(names, folder, PurePosixPath(announced).name)
        if path is not None:
            return path
    return _beside(names, folder, usual)


def _model_path(names: list[str], announced: object) -> str:
    """The path of the model: the one in the manifest, if it exists and its format can be run."""
    if isinstance(announced, str):
        base = PurePosixPath(announced).name
        path = _shallowest(names, base)
        if path is not None and base in _KINDS:
            return path
    for base in _KINDS:
        path = _shallowest(names, base)
        if path is not None:
            return path
    for base, platform in _UNSUPPORTED.items():
        if _shallowest(names, base) is not None:
            raise ExportUnusable(
                f"It holds a {platform} model, which cannot be run here; export ONNX instead."
            )
    raise ExportUnusable(f"It holds no model: none of {', '.join(_KINDS)}.")


def _model_files(files: _Zip | _Folder, folder: PurePosixPath, path: str, kind: Kind) -> dict[str, bytes]:
    # OpenVINO recognises formats by the names of the files.
    base = "model.tflite" if kind == "tflite" else PurePosixPath(path).name
    model = {base: files.read(path, MODEL_BYTES)}
    others: list[tuple[str, str]] = []
    if kind == "openvino":
        weights = str(folder / "model.bin")
        if weights not in files.names:
            raise ExportUnusable("model.bin is missing, which holds the weights of model.xml.")
        others.append(("model.bin", weights))
    elif kind == "saved model":
        variables = folder / "variables"
        paths = [(PurePosixPath(name), name) for name in files.names]
        others += [
            (f"variables/{path.name}", name)
            for path, name in paths
            if path.parent == variables and _VARIABLE.fullmatch(path.name)
        ]
    for name, where in others:
        left = MODEL_BYTES - sum(map(len, model.values()))
        model[name] = files.read(where, left)
    if not model[base]:
        raise ExportUnusable(f"{base} is empty.")
    return model


def _labels(content: bytes) -> tuple[str, ...]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ExportUnusable("labels.txt is not text in UTF-8.") from None
    # Some exports of the service have empty lines.
    numbered = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1)]
    numbered = [(number, label) for number, label in numbered if label]
    labels = [label for _, label in numbered]
    if not labels:
        raise ExportUnusable("labels.txt names no tag.")
    if len(labels) > MAX_LABELS:
        raise ExportUnusable(f"labels.txt names {len(labels)} tags; at most {MAX_LABELS} are taken.")
    for number, label in numbered:
        if not is_label(label):
            raise ExportUnusable(f"Line {number} of labels.txt is no name of a tag: {label[:40]!r}.")
    if len(set(labels)) < len(labels):
        twice = next(label for number, label in enumerate(labels) if label in labels[:number])
        raise ExportUnusable(f"labels.txt names a tag twice: {twice[:40]!r}.")
    return tuple(labels)


def is_label(text: str) -> bool:
    """Whether a text can be the name of a tag.

    Format characters (of joined emoji, Indic scripts) and all blanks are valid, as in `core.validation`.
    """
    return 0 < len(text) <= MAX_LABEL_LENGTH and not any(
        unicodedata.category(character) in _NOT_IN_LABELS for character in text
    )


def _json_object(read: Callable[[str, int], bytes], path: str) -> dict[str, object]:
    try:
        value = json.loads(read(path, _TEXT_BYTES).decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise ExportUnusable(f"{PurePosixPath(path).name} is not JSON.") from None
    if not isinstance(value, dict):
        raise ExportUnusable(f"{PurePosixPath(path).name} is not a JSON object.")
    return value


def _check_hash(announced: object, model: Mapping[str, bytes], kind: Kind) -> None:
    """Log a warning if the manifest has another SHA-1: samples of Microsoft contain such files."""
    if announced is None or kind == "saved model":  # it is not defined which of the files is meant
        return
    (base, content), *_ = model.items()
    found = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    if not isinstance(announced, str) or announced.lower() != found:
        _log.warning(
            "%s is not the file that cvexport.manifest describes: its SHA-1 is %s, announced is %r.",
            base,
            found,
            str(announced)[:40],
        )
