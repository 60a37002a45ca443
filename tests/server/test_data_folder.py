"""The data folder of a server: who may use it, and who may read it."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from emulator.server.data_folder import exclusive_data_folder
from emulator.settings import Settings, StartRefused

fcntl = pytest.importorskip("fcntl", reason="Windows has no flock")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no umask and no permission bits")
# Creates a file and a folder, as the emulator's workers do.
_CREATE = "import pathlib, sys; p = pathlib.Path(sys.argv[1]); (p / 'f').write_text(''); (p / 'd').mkdir()"


@contextmanager
def umask(mask: int) -> Iterator[None]:
    previous = os.umask(mask)
    try:
        yield
    finally:
        os.umask(previous)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o022, 0o002, 0o000], ids=oct)
def _any_umask(request: pytest.FixtureRequest) -> Iterator[None]:
    with umask(request.param):
        yield


@pytest.mark.usefixtures("_any_umask")
def test_a_new_folder_and_its_files_are_private(tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"
    with exclusive_data_folder(Settings(data=data)):
        subprocess.run([sys.executable, "-c", _CREATE, data], check=True)
    assert mode(data) == 0o700
    assert [mode(data / name) for name in ("f", "d", "emulator.lock")] == [0o600, 0o700, 0o600]
    # The umask of the process is as before.
    (tmp_path / "after").touch()
    (tmp_path / "new" / "beside").touch()
    assert mode(tmp_path / "after") == mode(tmp_path / "new" / "beside") != 0o600


@pytest.mark.usefixtures("_any_umask")
@pytest.mark.parametrize("content", [["emulator.sqlite", "notes.txt"], ["backbones"], []], ids=str)
def test_the_folder_of_an_earlier_version_becomes_private(tmp_path: Path, content: list[str]) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    for name in content:
        (data / name).touch()
    with exclusive_data_folder(Settings(data=data)):
        assert mode(data) == 0o700
    assert mode(data) == 0o700


def test_a_folder_with_other_content_keeps_its_permissions(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "notes.txt").touch()
    home.chmod(0o755)
    with umask(0o022), exclusive_data_folder(Settings(data=home)):
        assert mode(home) == 0o755
        assert mode(home / "emulator.pid") == 0o600


def test_a_folder_that_a_group_shares_keeps_its_permissions(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o2770)
    with umask(0o007), exclusive_data_folder(Settings(data=shared)):
        assert mode(shared) == 0o2770
        assert mode(shared / "emulator.pid") == 0o660
    # A folder that the emulator creates within one is its own.
    with umask(0o007), exclusive_data_folder(Settings(data=shared / "data")):
        assert mode(shared / "data") & 0o777 == 0o700
        assert mode(shared / "data" / "emulator.pid") == 0o600


@pytest.mark.parametrize("deleted", [["emulator.lock"], ["emulator.lock", "emulator.pid"], []], ids=str)
def test_a_second_server_is_refused_whatever_was_deleted(tmp_path: Path, deleted: list[str]) -> None:
    with exclusive_data_folder(Settings(data=tmp_path)):
        for name in deleted:
            (tmp_path / name).unlink()
        with (
            pytest.raises(StartRefused, match="is in use by"),
            exclusive_data_folder(Settings(data=tmp_path)),
        ):
            pass
    with exclusive_data_folder(Settings(data=tmp_path)):  # it is free again
        pass


def test_a_file_system_that_cannot_lock_folders_has_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(descriptor: int, operation: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(9, "Bad file descriptor")  # as NFS does
        original(descriptor, operation)

    original = fcntl.flock
    monkeypatch.setattr(fcntl, "flock", flock)
    with (
        exclusive_data_folder(Settings(data=tmp_path)),
        pytest.raises(StartRefused, match="is in use by process"),
        exclusive_data_folder(Settings(data=tmp_path)),
    ):
        pass
