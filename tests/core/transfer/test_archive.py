"""Archives of projects: invalid and truncated ones."""

import hashlib
import io
import tarfile
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.core.transfer import archive as archive_format
from tests.support.harness import NOWHERE, Service
from tests.support.importing import (
    INVALID,
    Elsewhere,
    content,
    nothing_is_left,
    run_imports,
    start_import,
)
from tests.support.web_servers import Server

Files = dict[str, bytes]


def packed(files: Files, **oddity: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            entry.type = oddity.get("type", tarfile.REGTYPE)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def unpacked(archive: bytes) -> Files:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return {member.name: opened.extractfile(member).read() for member in opened}  # type: ignore[union-attr]


def with_manifest(change: Callable[[dict[str, Any]], object]) -> Callable[[Files], bytes]:
    def spoil(files: Files) -> bytes:
        manifest = orjson.loads(files["manifest.json"])
        change(manifest)
        return packed({**files, "manifest.json": orjson.dumps(manifest)})

    return spoil


def replaced(kind: str) -> Callable[[Files], bytes]:
    """An archive with other content as an image or as the model, and a consistent manifest."""

    def spoil(files: Files) -> bytes:
        manifest = orjson.loads(files["manifest.json"])
        old = manifest["images"][0]["blob"] if kind == "image" else manifest["iterations"][0]["model"]
        new = hashlib.sha256(b"something else").hexdigest()
        text = files["manifest.json"].decode().replace(old, new)
        changed = orjson.loads(text)
        changed["blobs"][new] = len(b"something else")
        result = {"manifest.json": orjson.dumps(changed)}
        for digest in changed["blobs"]:
            result[f"blobs/{digest}"] = files.get(f"blobs/{digest}", b"something else")
        return packed(result)

    return spoil


LIES: dict[str, Callable[[Files], bytes]] = {
    "empty": lambda files: b"",
    "no tar": lambda files: b"<html>" * 1000,
    "zeros": lambda files: bytes(5000),
    "cut": lambda files: packed(files)[:3000],
    "no manifest": lambda files: packed({name: files[name] for name in list(files)[1:]}),
    "links": lambda files: packed(files, type=tarfile.SYMTYPE),
    "a name that climbs": lambda files: packed(
        {"manifest.json": files["manifest.json"], "../../blobs/x": b"climbed"}
    ),
    "wrong bytes": lambda files: packed(
        {name: data[::-1] if "blobs" in name else data for name, data in files.items()}
    ),
    "more bytes": lambda files: packed(
        {name: data + b"x" if "blobs" in name else data for name, data in files.items()}
    ),
    "a manifest that is no JSON": lambda files: packed({**files, "manifest.json": b"{" * 100}),
    "a manifest of another kind": lambda files: packed({**files, "manifest.json": b"[]"}),
    "an unknown version": with_manifest(lambda manifest: manifest.update(version=2)),
    "more than is known": with_manifest(lambda manifest: manifest.update(surprise=1)),
    "an unknown domain": with_manifest(lambda manifest: manifest["project"].update(domain_id=NOWHERE)),
    "a tag that is not there": with_manifest(
        lambda manifest: manifest["images"][0]["tags"][0].update(tag=99)
    ),
    "a negative place": with_manifest(lambda manifest: manifest["images"][0]["tags"][0].update(tag=-1)),
    "two tags twice": with_manifest(
        lambda manifest: manifest["images"][0]["tags"].append(manifest["images"][0]["tags"][0])
    ),
    "an image twice": with_manifest(lambda manifest: manifest["images"].append(manifest["images"][0])),
    "another size": with_manifest(lambda manifest: manifest["images"][0].update(width=7)),
    "a name of a file as a digest": with_manifest(
        lambda manifest: manifest["images"][0].update(blob="../../etc")
    ),
    "a digest that is not announced": with_manifest(lambda manifest: manifest["blobs"].popitem()),
    "a terabyte": with_manifest(
        lambda manifest: manifest["blobs"].update({next(iter(manifest["blobs"])): 2**40})
    ),
    "a revision of the future": with_manifest(lambda manifest: manifest["tags"][0].update(born=10**6)),
    "gone before it came": with_manifest(lambda manifest: manifest["tags"][0].update(removed=0)),
    "fewer outputs than the model has": with_manifest(
        lambda manifest: manifest["iterations"][0]["model_tags"].pop()
    ),
    "something that is no image": replaced("image"),
    "something that is no model": replaced("model"),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_inconsistent_archive_leaves_nothing(lie: str, elsewhere: Elsewhere, target: Service) -> None:
    project, _, _ = elsewhere.service.trainable()
    elsewhere.service.train(project)
    copy = start_import(target, elsewhere.token(project))
    elsewhere.break_off = lambda visit, archive: visit.send_body(LIES[lie](unpacked(archive)))
    run_imports(target)
    assert target.get(copy)["status"] == "Failed"
    nothing_is_left(target, copy)


def test_packing_again_changes_nothing(elsewhere: Elsewhere, target: Service) -> None:
    """Archives that are valid except for one field."""
    project, _, _ = elsewhere.service.trainable()
    elsewhere.service.train(project)
    copy = start_import(target, elsewhere.token(project))
    elsewhere.break_off = lambda visit, archive: visit.send_body(
        with_manifest(lambda manifest: None)(unpacked(archive))
    )
    run_imports(target)
    assert content(target, copy) == content(elsewhere.service, project)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"format":"custom-vision-emulator-project","version":9}', b"x" * 70000]
)
def test_a_host_that_is_no_emulator(body: bytes, elsewhere: Elsewhere, target: Service) -> None:
    token = elsewhere.token(elsewhere.service.project())
    with Server(lambda visit: visit.send_body(body)) as server:
        token = token.replace(elsewhere.server.allow, server.allow)
        status, code, message = target.refused("POST", "/projects/import", params={"token": token})
    assert (status, code) == INVALID[:2]
    assert message.startswith("Invalid Token. ")
    assert target.get("/projects") == []


@given(sizes=st.lists(st.integers(1, 700), min_size=1, max_size=20))
def test_an_archive_may_arrive_in_any_pieces(sizes: list[int]) -> None:
    contents = {hashlib.sha256(data).hexdigest(): data for data in (b"", b"a" * 511, b"b" * 512, b"c" * 513)}
    images = [
        {"born": 1, "removed": None, "blob": digest, "width": 1, "height": 1, "created": 5}
        | {"metadata": {"key": "value"}, "tags": [], "regions": []}
        for digest in contents
    ]
    project = {"name": "n", "description": "", "domain_id": "d", "classification_type": "Multilabel"}
    project |= {"target_export_platforms": [], "use_negative_set": True, "detection_parameters": None}
    manifest = archive_format.Manifest.model_validate(
        {
            "format": archive_format.FORMAT,
            "version": 1,
            "project": project | {"augmentation_methods": {}, "revision": 1, "next_iteration": 1},
            "tags": [],
            "images": images,
            "iterations": [],
            "blobs": {digest: len(data) for digest, data in contents.items()},
        }
    )
    archive = b"".join(archive_format.write(manifest, contents.__getitem__))
    pieces, start = [], 0
    while start < len(archive):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(archive[start : start + size])
        start += size
    reader = archive_format.Reader(pieces)
    assert reader.manifest() == manifest
    assert dict(reader.blobs(manifest)) == contents


def region_part(left: float, width: float) -> archive_format.RegionPart:
    sides = {"left": left, "top": 0.25, "width": width, "height": 0.5}
    return archive_format.RegionPart.model_validate({"born": 1, "tag": 0, "created": 5, **sides})


def test_regions_of_an_archive_are_clipped_to_their_image() -> None:
    part = region_part(-0.0000005, 1.000001)
    assert (part.left, part.top, part.width, part.height) == (0, 0.25, 1, 0.5)
    for left, width in ((-0.0005, 0.5), (0.5, 0.5005), (0.5, 0.0)):
        with pytest.raises(ValueError, match="a region is empty or outside of its image"):
            region_part(left, width)
