"""The backup of docs/team.md, made while an emulator stores images, and restored elsewhere."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.harness import Service, test_settings
from tests.support.images import picture
from tests.support.postgresql import HOW_TO_GET_PSYCOPG, programs, server

pytest.importorskip("psycopg", reason=HOW_TO_GET_PSYCOPG)

PAGE = Path(__file__).parents[2] / "docs" / "team.md"
DATA = "/var/lib/custom-vision-emulator/"
NEW_DATABASE = "TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"


def blocks() -> tuple[list[str], list[str]]:
    """The commands that make a backup, and those that restore it."""
    section = PAGE.read_text().partition("\n## Backup\n")[2]
    _, saving, restoring = (
        block.splitlines() for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    )
    return saving, restoring


@pytest.fixture
def databases() -> Iterator[list[str]]:
    """The URLs of two new databases."""
    urls = [server().new_database(NEW_DATABASE) for _ in range(2)]
    yield urls
    for url in urls:
        server().drop(url)


def run(command: str, *, database: str, data: Path, folder: Path) -> None:
    """Run a command of the page; rsync, which may not be installed, is replaced by a copy."""
    if command.startswith("rsync "):
        source, target = (
            Path(str(data) + "/") if word == DATA else folder / word for word in command.split()[2:]
        )
        shutil.copytree(source, target, dirs_exist_ok=True)
        return
    found = programs()
    assert found is not None  # the server was started
    variables = {
        **os.environ,
        "PATH": f"{found}{os.pathsep}{os.environ['PATH']}",
        "CUSTOM_VISION_EMULATOR_DATABASE": database,
    }
    done = subprocess.run(["sh", "-c", command], cwd=folder, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, (command, done.stderr)


def started(data: Path, database: str) -> Service:
    return Service(test_settings(data, database=database))


def test_a_backup_during_uploads_is_restored_into_another_database_and_folder(
    tmp_path: Path, databases: list[str]
) -> None:
    saving, restoring = blocks()
    first, second = tmp_path / "data", tmp_path / "restored"
    service = started(first, databases[0])
    project, red, _ = service.trainable()
    iteration = service.train(project)
    address = service.publish(iteration)
    predicted = service.predict(address, picture(500), suffix="/image/nostore").json()["predictions"]
    for number, command in enumerate(saving):
        run(command, database=databases[0], data=first, folder=tmp_path)
        if command.startswith("pg_dump"):
            saved = sorted(image["id"] for image in service.get(f"{project}/images"))
        service.images(project, [picture(600 + number)], red)
    service.end()
    for command in restoring:
        run(command, database=databases[1], data=second, folder=tmp_path)
    restored = started(second, databases[1])
    images = restored.get(f"{project}/images")
    assert sorted(image["id"] for image in images) == saved
    assert len(saved) == 11
    for image in images:
        assert restored.follow(image["originalImageUri"]).status_code == 200
    assert restored.predict(address, picture(500), suffix="/image/nostore").json()["predictions"] == predicted
    restored.end()
