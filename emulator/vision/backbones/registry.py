"""The networks that users add, each in a folder of its own: reading, storing, removing, listing.

The folder of a network has two files: ``network.onnx``, from an image to its features, in the form of trained
models, and ``backbone.json``, its manifest. `backbones.add` makes them.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from emulator.durable_files import write_atomically
from emulator.vision.backbones.weights_files import short_reason
from emulator.vision.networks.model_file import NETWORK, read_model
from emulator.vision.networks.serialization import deserialize

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

    from emulator.vision.networks.graph import Network

# The folder of all networks, inside of the emulator's data folder.
FOLDER_NAME = "backbones"
NETWORK_FILE, MANIFEST_FILE = "network.onnx", "backbone.json"
_FORMAT = 1
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}[a-z0-9]|[a-z0-9]")
# Names of devices, which no folder can have on Windows, with any extension.
_RESERVED_NAMES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")
# The prefix of folders that are being written, or that a killed process left behind.
_UNFINISHED_PREFIX = "."
_LOCK_FILE = ".lock"
_LOCK_SECONDS = 60


class BackboneDamaged(Exception):
    """A stored network cannot be used; the message says what is wrong with it."""


class NameTaken(Exception):
    """There is already a network of this name."""


@dataclass(frozen=True)
class Backbone:
    """The manifest of a network that a user added.

    Attributes:
        name: chosen by the user.
        architecture: torchvision's name.
        source: name of the weights file.
        source_sha256, source_bytes: of the weights file.
        sha256: of the network file that was made from it.
        resolution: side in pixels of the square input.
        mean, deviation: for red, green and blue, 0..1; the input is normalised to (value / 255 - mean) /
            deviation.
        features: the length of the feature vector.
        parameters: the number of weights.
        licence: as the user stated it; may be empty.
        added: the time, in ISO 8601 with its zone.
        made_with: versions of torch and torchvision.
    """

    name: str
    architecture: str
    source: str
    source_sha256: str
    source_bytes: int
    sha256: str
    resolution: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    features: int
    parameters: int
    licence: str
    added: str
    made_with: str

    @classmethod
    def of(cls, text: str) -> Self:
        """Parse a manifest.

        Raises:
            ValueError: the text is not a manifest of this version.
        """
        content = json.loads(text)
        if not isinstance(content, dict) or content.pop("format", None) != _FORMAT:
            raise ValueError("it is of another version")
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
        }
        if values.keys() != {field.name for field in fields(cls)}:
            raise ValueError("it has other parts than it should have")
        for field in fields(cls):
            value = values[field.name]
            good = (
                all(isinstance(part, float) for part in value)
                if isinstance(value, tuple)
                else type(value).__name__ == field.type
            )
            if not good or isinstance(value, tuple) != str(field.type).startswith("tuple"):
                raise ValueError(f"its {field.name} is not what it should be")
        return cls(**values)

    def text(self) -> str:
        """The manifest as JSON."""
        return json.dumps({"format": _FORMAT, **vars(self)}, indent=2, ensure_ascii=False) + "\n"


def is_name(text: str) -> bool:
    """Whether a network can have this name, which must be a valid folder name on every system."""
    return bool(_NAME.fullmatch(text)) and not _RESERVED_NAMES.fullmatch(text)


def names(folder: Path) -> list[str]:
    """The names of the networks in a folder, including damaged ones; empty if there is no folder."""
    if not folder.is_dir():
        return []
    return sorted(each.name for each in folder.iterdir() if each.is_dir() and is_name(each.name))


def read_manifest(folder: Path, name: str) -> Backbone:
    """The manifest of a network.

    Raises:
        BackboneDamaged: it cannot be read, or is of another version of the program.
    """
    try:
        backbone = Backbone.of((folder / name / MANIFEST_FILE).read_text(encoding="utf-8"))
    except OSError as error:
        raise BackboneDamaged(f"its {MANIFEST_FILE} cannot be read: {error.strerror or error}") from error
    except (ValueError, TypeError) as error:
        raise BackboneDamaged(f"its {MANIFEST_FILE} is damaged: {error}") from error
    if backbone.name != name:
        raise BackboneDamaged(f"its {MANIFEST_FILE} is that of {backbone.name!r}")
    return backbone


def network_bytes(folder: Path, backbone: Backbone) -> bytes:
    """The content of a network's file, checked against the SHA-256 in its manifest.

    Raises:
        BackboneDamaged: the file is missing or was changed.
    """
    try:
        data = (folder / backbone.name / NETWORK_FILE).read_bytes()
    except OSError as error:
        raise BackboneDamaged(f"its {NETWORK_FILE} cannot be read: {error.strerror or error}") from error
    if hashlib.sha256(data).hexdigest() != backbone.sha256:
        raise BackboneDamaged(f"its {NETWORK_FILE} is not what was written when it was added")
    return data


def parse_network(data: bytes) -> Network:
    """The network in a file's content.

    Raises:
        BackboneDamaged: it is of another version of the program.
    """
    try:
        metadata, weights = read_model(data)
        return deserialize(metadata[NETWORK], weights)
    except Exception as error:
        # The errors of protobuf, which have no common base, and those of `deserialize`.
        raise BackboneDamaged(f"its {NETWORK_FILE} cannot be read: {error!r}") from error


def open_session(data: bytes) -> InferenceSession:
    """A session of ONNX Runtime for a file's content. Each run uses one thread; it has run once.

    Raises:
        BackboneDamaged: this version of ONNX Runtime cannot run the network, or memory is too small.
    """
    import numpy

    from emulator.vision.onnx_runtime import inference_session

    try:
        session = inference_session(data, threads=1)
        (described_input,) = session.get_inputs()
        session.run(None, {described_input.name: numpy.zeros((1, *described_input.shape[1:]), numpy.uint8)})
    except Exception as error:
        # ONNX Runtime has a dozen exception types without a common base class.
        raise BackboneDamaged(f"its {NETWORK_FILE} cannot be run: {short_reason(error)}") from error
    return session


def store(folder: Path, backbone: Backbone, data: bytes) -> None:
    """Store a network in a folder, which is created if missing: completely or not at all.

    Raises:
        NameTaken: there is already a network of this name.
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        _remove_unfinished(folder)
        if (folder / backbone.name).exists():
            raise NameTaken(backbone.name)
        unfinished = Path(tempfile.mkdtemp(dir=folder, prefix=_UNFINISHED_PREFIX))
        try:
            write_atomically(unfinished / NETWORK_FILE, data)
            write_atomically(unfinished / MANIFEST_FILE, backbone.text().encode())
            # The same permissions as the folder: the emulator may run as another user.
            mode = folder.stat().st_mode
            for each in unfinished.iterdir():
                each.chmod(mode & 0o666)
            unfinished.chmod(mode)
            unfinished.rename(folder / backbone.name)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise


def remove(folder: Path, name: str) -> None:
    """Remove a network from a folder, also a damaged one.

    Raises:
        FileNotFoundError: there is no network of this name.
        OSError: it cannot be removed.
    """
    if not is_name(name) or not (folder / name).is_dir():
        raise FileNotFoundError(name)
    with _locked(folder):
        going = Path(tempfile.mkdtemp(dir=folder, prefix=_UNFINISHED_PREFIX))
        # Renaming is atomic, deleting is not.
        (folder / name).rename(going / name)
        shutil.rmtree(going, ignore_errors=True)


def summary(folder: Path) -> list[Mapping[str, Any]]:
    """The manifests of all networks as dicts, with the key "problem": what is wrong with it, or None."""
    found: list[Mapping[str, Any]] = []
    for name in names(folder):
        try:
            backbone = read_manifest(folder, name)
        except BackboneDamaged as problem:
            found.append({"name": name, "problem": str(problem)})
            continue
        problem_or_none = None
        try:
            network_bytes(folder, backbone)
        except BackboneDamaged as problem:
            problem_or_none = str(problem)
        found.append({**vars(backbone), "problem": problem_or_none})
    return found


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of the folder, so that no other process adds or removes networks."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder / _LOCK_FILE, timeout=_LOCK_SECONDS):
            yield
    except Timeout:
        raise OSError(f"another program is changing what is in {str(folder)!r}") from None


def _remove_unfinished(folder: Path) -> None:
    """Remove unfinished folders of killed processes."""
    for each in folder.iterdir():
        if each.is_dir() and each.name.startswith(_UNFINISHED_PREFIX):
            shutil.rmtree(each, ignore_errors=True)
