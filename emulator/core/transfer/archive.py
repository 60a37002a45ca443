"""The format of archives that transfer a project to another emulator, version 1.

A tar file (POSIX ustar; not compressed, since images already are) with only regular files, in this order:

- ``manifest.json``: a `Manifest`, in UTF-8
- ``blobs/<sha256>``: for each entry of the manifest's `blobs`, in its order, the bytes with that SHA-256

Tags, images and iterations refer to each other by their index in the manifest's lists, not by ids, since a
copy gets new ones. Times are microseconds since 1970, UTC. `born` and `removed` are revisions of the
workspace, as in `emulator.store.tables`, so that iterations keep the data that they were trained on.

Archives are not trusted: names are compared, not used as paths; sizes are declared in the manifest, limited
and enforced; every blob is hashed.
"""

import hashlib
import tarfile
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Literal, Self, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from emulator.core.rules.limits import (
    DESCRIPTION_LENGTH,
    METADATA_LIMITS,
    MICROSECONDS_MAXIMUM,
    NAME_LENGTH,
    TRAINING_IMAGE_BYTES,
)
from emulator.core.rules.region_edges import clipped

FORMAT = "custom-vision-emulator-project"
VERSION = 1
MANIFEST_NAME = "manifest.json"
BLOB_FOLDER = "blobs/"
MANIFEST_BYTES = 256 * 2**20
INFO_BYTES = 2**16
# The maximum size of ONNX files.
MODEL_BYTES = 2 * 2**30
_BLOCK = tarfile.BLOCKSIZE

_Number = Annotated[int, Field(ge=0, lt=2**53)]
_Moment = Annotated[int, Field(ge=0, lt=MICROSECONDS_MAXIMUM)]
_Fraction = Annotated[float, Field(ge=-0.001, le=1.001, allow_inf_nan=False)]
_Name = Annotated[str, Field(min_length=1, max_length=NAME_LENGTH)]
_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Key = Annotated[str, Field(min_length=1, max_length=METADATA_LIMITS.key_length)]
_Value = Annotated[str, Field(max_length=METADATA_LIMITS.value_length)]
_ShortText = Annotated[str, Field(max_length=100)]


class ArchiveRejected(Exception):
    """The archive has another format or is inconsistent. str() is the reason, for a person."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


_Shape = TypeVar("_Shape", bound=_Part)


class Versioned(_Part):
    """A part of the workspace, with the revisions in which it was created and removed."""

    born: _Number
    removed: _Number | None = None

    @model_validator(mode="after")
    def _born_before_removed(self) -> Self:
        if self.removed is not None and self.removed <= self.born:
            raise ValueError("removed before it was born")
        return self


class ProjectPart(_Part):
    name: _Name
    description: Annotated[str, Field(max_length=DESCRIPTION_LENGTH)]
    domain_id: str
    classification_type: Literal["Multiclass", "Multilabel"]
    target_export_platforms: Annotated[list[_ShortText], Field(max_length=20)]
    use_negative_set: bool
    detection_parameters: _ShortText | None
    augmentation_methods: Annotated[dict[_ShortText, bool], Field(max_length=20)]
    revision: _Number
    next_iteration: Annotated[int, Field(ge=1, lt=2**31)]


class Info(_Part):
    """A summary that is read before the archive; the counts are those of the workspace."""

    format: Literal["custom-vision-emulator-project"] = "custom-vision-emulator-project"
    version: Literal[1] = 1
    project: ProjectPart
    image_count: _Number
    tag_count: _Number


class TagPart(Versioned):
    name: _Name
    description: Annotated[str, Field(max_length=DESCRIPTION_LENGTH)] | None
    type: Literal["Regular", "Negative", "GeneralProduct"]


class ImageTagPart(Versioned):
    tag: _Number
    created: _Moment


class RegionPart(Versioned):
    tag: _Number
    left: _Fraction
    top: _Fraction
    width: _Fraction
    height: _Fraction
    created: _Moment

    @model_validator(mode="after")
    def _lies_in_the_image(self) -> Self:
        horizontal, vertical = clipped(self.left, self.width), clipped(self.top, self.height)
        if horizontal is None or vertical is None:
            raise ValueError("a region is empty or outside of its image")
        (self.left, self.width), (self.top, self.height) = horizontal, vertical
        return self


class ImagePart(Versioned):
    blob: _Digest
    width: Annotated[int, Field(ge=1, lt=2**20)]
    height: Annotated[int, Field(ge=1, lt=2**20)]
    created: _Moment
    metadata: Annotated[dict[_Key, _Value], Field(max_length=METADATA_LIMITS.pairs)] | None
    tags: Annotated[list[ImageTagPart], Field(max_length=10_000)]
    regions: Annotated[list[RegionPart], Field(max_length=100_000)]


class ModelTagPart(_Part):
    """An output of a model. tag: index into the manifest's tags."""

    tag: _Number
    name: _Name
    type: Literal["Regular", "Negative", "GeneralProduct"]


class IterationPart(_Part):
    number: Annotated[int, Field(ge=1, lt=2**31)]
    name: _Name
    trained_at: _Moment
    revision: _Number
    exportable: bool
    domain_id: str
    classification_type: Literal["Multiclass", "Multilabel"]
    training_type: Literal["Regular", "Advanced"]
    reserved_budget_in_hours: Annotated[int, Field(ge=0, lt=2**31)]
    training_time_in_minutes: Annotated[int, Field(ge=0, lt=2**31)]
    selected_tags: list[_Number] | None
    model_tags: list[ModelTagPart]
    model: _Digest
    evaluation: _Digest | None


class Manifest(_Part):
    """A project without the bytes of its blobs. blobs: size by SHA-256, in the order of the archive."""

    format: Literal["custom-vision-emulator-project"] = "custom-vision-emulator-project"
    version: Literal[1] = 1
    project: ProjectPart
    tags: Annotated[list[TagPart], Field(max_length=100_000)]
    images: Annotated[list[ImagePart], Field(max_length=1_000_000)]
    iterations: Annotated[list[IterationPart], Field(max_length=1000)]
    blobs: dict[_Digest, _Number]

    @property
    def image_blobs(self) -> frozenset[str]:
        return frozenset(image.blob for image in self.images)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        used: set[int] = set()
        for image in self.images:
            used.update(bearer.tag for bearer in image.tags)
            used.update(region.tag for region in image.regions)
        for iteration in self.iterations:
            used.update(output.tag for output in iteration.model_tags)
            used.update(iteration.selected_tags or ())
        if max(used, default=-1) >= len(self.tags):
            raise ValueError("refers to a tag that is not there")
        images = self.image_blobs
        models = {blob for item in self.iterations for blob in (item.model, item.evaluation) if blob}
        if images | models != self.blobs.keys():
            raise ValueError("the blobs are not those of the images and models")
        for digest, size in self.blobs.items():
            if size > (MODEL_BYTES if digest in models else TRAINING_IMAGE_BYTES):
                raise ValueError("a blob is too large")
        reached = [*(tag.born for tag in self.tags), *(image.born for image in self.images)]
        reached += [iteration.revision for iteration in self.iterations]
        if max(reached, default=0) > self.project.revision:
            raise ValueError("something is of a revision that the project has not reached")
        return self


def write(manifest: Manifest, read_blob: Callable[[str], bytes]) -> Iterator[bytes]:
    """The archive in pieces. read_blob: returns the bytes of a digest, or raises, which ends the archive."""
    yield from _file(MANIFEST_NAME, orjson.dumps(manifest.model_dump()))
    for digest in manifest.blobs:
        yield from _file(f"{BLOB_FOLDER}{digest}", read_blob(digest))
    yield bytes(2 * _BLOCK)


def _file(name: str, content: bytes) -> Iterator[bytes]:
    header = tarfile.TarInfo(name)
    header.size = len(content)
    yield header.tobuf(tarfile.USTAR_FORMAT)
    yield content
    yield bytes(-len(content) % _BLOCK)


class Reader:
    """Reads an archive as it arrives: first `manifest`, then `blobs`. Both raise ArchiveRejected."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._buffer = bytearray()

    def manifest(self) -> Manifest:
        name, size = self._header()
        if name != MANIFEST_NAME or size > MANIFEST_BYTES:
            raise ArchiveRejected("It does not begin with a manifest.")
        return _parse(Manifest, self._content(size))

    def blobs(self, manifest: Manifest) -> Iterator[tuple[str, bytes]]:
        """Digest and bytes of every blob of the manifest, verified."""
        for digest, size in manifest.blobs.items():
            if self._header() != (f"{BLOB_FOLDER}{digest}", size):
                raise ArchiveRejected("It does not hold what its manifest announces.")
            content = self._content(size)
            if hashlib.sha256(content).hexdigest() != digest:
                raise ArchiveRejected("Some bytes are not those that the manifest announces.")
            yield digest, content

    def _header(self) -> tuple[str, int]:
        try:
            header = tarfile.TarInfo.frombuf(self._read(_BLOCK), "ascii", "strict")
        except (tarfile.HeaderError, UnicodeError):
            raise ArchiveRejected("It is not a tar file, or ends too early.") from None
        if header.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or header.size < 0:
            raise ArchiveRejected("It holds something that is not a regular file.")
        return header.name, header.size

    def _content(self, size: int) -> bytes:
        content = self._read(size)
        self._read(-size % _BLOCK)
        return content

    def _read(self, size: int) -> bytes:
        while len(self._buffer) < size:
            piece = next(self._pieces, None)
            if piece is None:
                raise ArchiveRejected("It ends too early.")
            self._buffer += piece
        content = bytes(self._buffer[:size])
        del self._buffer[:size]
        return content


def parse_info(text: bytes) -> Info:
    """The information in `text`. Raises ArchiveRejected."""
    return _parse(Info, text)


def _parse(shape: type[_Shape], text: bytes) -> _Shape:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise ArchiveRejected("Its manifest is not JSON.") from None
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise ArchiveRejected("It is not an archive of a project.")
    if value.get("version") != VERSION:
        raise ArchiveRejected(
            f"It is of version {str(value.get('version'))[:20]}; this emulator knows version {VERSION}."
        )
    try:
        return shape.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ArchiveRejected(f"Its manifest is invalid at '{place}': {first['msg']}") from None
