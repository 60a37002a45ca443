"""The commands `import-data` and `export-data`, against a running emulator."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest

from emulator.cli.errors import CommandFailed
from emulator.cli.transfer import data_sets
from emulator.settings import Settings
from tests.support.data_sets import boxed_set, files_in, write_files, written, zip_of
from tests.support.images import picture
from tests.support.program import Start, run

PETS = {
    "cats/1.png": picture(1),
    "cats/2.png": picture(2),
    "dogs/3.png": picture(3, "blue"),
    "_untagged/4.png": picture(4, "grey"),
}


def test_data_sets_from_the_command_line(start: Start, tmp_path: Path) -> None:
    port = str(start("--ephemeral").port)

    def command(*arguments: str) -> str:
        ran = run(*arguments, "--port", port)
        assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
        return ran.stdout

    pets = str(write_files(tmp_path / "pets", PETS))
    shown = command("import-data", pets, "--project", "pets", "--dry-run").splitlines()
    assert shown[0].endswith("  pets (new)")
    assert shown[1:] == [
        "format    folders",
        "images    4, 1 without a tag",
        "  cats        2 images  new",
        "  dogs        1 images  new",
        "would add: 4 images, 2 tags, 0 boxes; 0 images are known",
    ]
    shown = command("import-data", pets, "--project", "pets").splitlines()
    assert shown[-1] == "added: 4 images, 2 tags, 0 boxes; 0 images are known"
    packed = tmp_path / "pets.zip"
    packed.write_bytes(zip_of(PETS))
    ended = json.loads(command("import-data", str(packed), "--project", "pets", "--json"))
    assert (ended["status"], ended["report"]["newImageCount"]) == ("Completed", 0)

    boxes = write_files(tmp_path / "boxes", written(boxed_set(3), "coco"))
    (boxes / "annotations.json").rename(tmp_path / "labels.json")
    labels = str(tmp_path / "labels.json")
    command("import-data", labels, "--images", str(boxes / "images"), "--project", "boxes")
    exported = tmp_path / "boxes.zip"
    shown = command("export-data", "boxes", str(exported), "--format", "yolo", "--dry-run").splitlines()
    assert shown[0] == "3 images, 2 tags, 3 boxes"
    assert shown[1].startswith("note      Images without boxes are examples of background")
    assert not exported.exists()
    command("export-data", "boxes", str(exported), "--format", "yolo")
    assert {"customvision.json", "data.yaml"} < files_in(exported.read_bytes()).keys()


def test_refusals_are_one_line_with_file_and_line(start: Start, tmp_path: Path) -> None:
    port = str(start("--ephemeral").port)
    wrong = write_files(tmp_path / "wrong", {"a.json": '{"images": [],\n "annotations": [1]}', "a.png": ""})

    def refused(*arguments: str) -> str:
        ran = run(*arguments, "--port", port)
        assert ran.returncode == 1
        (line,) = ran.stderr.splitlines()
        return line.removeprefix("custom-vision-emulator: ")

    message = refused("import-data", str(wrong), "--project", "p")
    assert message == "wrong: a.json, line 2: An entry of 'annotations' is no object."
    assert "no format 'x'" in refused("import-data", str(wrong), "--project", "p", "--format", "x")
    assert refused("export-data", "p", "x.zip", "--format", "coco") == "there is no project 'p'"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is a device of Linux")
def test_a_full_disk_is_named_and_no_file_is_left(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(port=start("--ephemeral").port)
    target = tmp_path / "pets.zip"

    def on_full_disk(**_options: object) -> tuple[int, str]:
        return os.open("/dev/full", os.O_WRONLY), str(tmp_path / "unfinished")

    monkeypatch.setattr(tempfile, "mkstemp", on_full_disk)
    with pytest.raises(CommandFailed) as failed:
        data_sets.download(settings, "/_emulator/dataSets", target)
    assert str(failed.value) == f"cannot write {str(target)!r}: No space left on device"
    assert list(tmp_path.glob("*.zip")) == []
