"""The manifest of a snapshot, version 1: what the snapshot consists of."""

from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emulator.core.rules.limits import MICROSECONDS_MAXIMUM
from emulator.store.database import SCHEMA_REVISION

FORMAT = "custom-vision-emulator-snapshot"
VERSION = 1
FILE_NAME = "snapshot.json"
MANIFEST_BYTES = 256 * 2**20

_Number = Annotated[int, Field(ge=0, lt=2**53)]
_Moment = Annotated[int, Field(ge=0, lt=MICROSECONDS_MAXIMUM)]
_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class SnapshotRejected(Exception):
    """The content of a snapshot cannot be used. str() is the reason: sentences for a person."""


class Manifest(BaseModel):
    """The manifest. Everything else of a snapshot can be verified with it.

    schema_revision: of the database. created: microseconds since 1970, UTC. projects, images, iterations:
    their numbers, images of workspaces only. database_sha256, database_bytes: of the database file. blobs:
    size in bytes by SHA-256. folder: in which the files are stored; empty in archives.
    """

    model_config = ConfigDict(strict=True, extra="forbid")

    format: Literal["custom-vision-emulator-snapshot"] = "custom-vision-emulator-snapshot"
    version: Literal[1] = 1
    schema_revision: Annotated[str, Field(pattern=r"^[0-9]{4}$")]
    created: _Moment
    projects: _Number
    images: _Number
    iterations: _Number
    database_sha256: _Digest
    database_bytes: _Number
    blobs: dict[_Digest, _Number]
    folder: Annotated[str, Field(pattern=r"^([0-9a-f]{32})?$")] = ""

    @property
    def size(self) -> int:
        """Size of all files, in bytes."""
        return self.database_bytes + sum(self.blobs.values())

    def dump(self) -> bytes:
        return orjson.dumps(self.model_dump(), option=orjson.OPT_INDENT_2)


def parse(text: bytes) -> Manifest:
    """The manifest in `text`. Raises SnapshotRejected."""
    try:
        value: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise SnapshotRejected(f"Its {FILE_NAME} is not JSON.") from None
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise SnapshotRejected("It is not a snapshot.")
    if value.get("version") != VERSION:
        raise SnapshotRejected(
            f"It is of version {str(value.get('version'))[:20]}; this emulator reads version {VERSION}."
        )
    try:
        manifest = Manifest.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])[:100]
        raise SnapshotRejected(f"Its {FILE_NAME} is invalid at '{place}': {first['msg']}") from None
    check_schema(manifest)
    return manifest


def check_schema(manifest: Manifest) -> None:
    """Raises SnapshotRejected for a snapshot of a newer version of the program."""
    if manifest.schema_revision > SCHEMA_REVISION:
        raise SnapshotRejected(
            f"It was saved by a newer version of the emulator (schema {manifest.schema_revision}; this "
            f"version reads up to {SCHEMA_REVISION})."
        )
