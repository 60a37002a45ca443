"""Calls and results as bytes: which paths become references."""

import hashlib
from pathlib import Path, PurePosixPath

import pytest

from emulator.cluster.packing import pack, unpack
from emulator.store.blobs import blob_path
from emulator.vision.classification.dataset import LabelledImage

NAME = hashlib.sha256(b"image").hexdigest()


def moved(value: object, folder: Path) -> object:
    """The value on a machine with blobs in /there/blobs and other files in /there/files."""
    return unpack(pack(value, folder).content, Path("/there/blobs").joinpath, Path("/there/files").joinpath)


def test_blobs_and_files_are_those_of_the_other_machine(tmp_path: Path) -> None:
    image = LabelledImage(str(blob_path(tmp_path, NAME)), NAME, (1,))
    call = (image, blob_path(tmp_path, NAME), {"output": tmp_path / "training" / "job"})
    assert moved(call, tmp_path) == (
        LabelledImage(f"/there/blobs/{NAME}", NAME, (1,)),
        Path("/there/blobs") / NAME,
        {"output": Path("/there/files/training/job")},
    )


def test_what_a_call_refers_to_is_listed_once(tmp_path: Path) -> None:
    path = str(blob_path(tmp_path, NAME))
    packed = pack([path, path, tmp_path / "b" / "c", tmp_path / "a", tmp_path / "a"], tmp_path)
    assert (packed.blobs, packed.files) == ([NAME], ["b/c", "a"])


@pytest.mark.parametrize("text", ["{folder}/blobs", "{folder}/training/job", "{folder}", "red"])
def test_other_texts_stay_as_they_are(tmp_path: Path, text: str) -> None:
    """Such as the name of a tag, which becomes part of the model."""
    tag = text.format(folder=tmp_path)
    assert moved([tag], tmp_path) == [tag]


def test_paths_outside_of_the_folder_stay_as_they_are(tmp_path: Path) -> None:
    paths = [
        Path("/elsewhere/file"),
        tmp_path.with_name(f"{tmp_path.name}-2"),
        PurePosixPath("a/b"),
        tmp_path,
    ]
    assert moved(paths, tmp_path) == paths


def test_a_blob_that_was_deleted_has_no_file_there(tmp_path: Path) -> None:
    assert moved(blob_path(tmp_path, "deleted"), tmp_path) == Path("/there/files/blobs/de/deleted")
