"""Steps of tests of backups."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from emulator.core.backups import restoring, saving
from emulator.core.backups.hash_list import FILE_NAME
from emulator.core.backups.saving import Backup

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def save(data: Path, target: Path, day: int = 0, keep: int = 0) -> Backup:
    """Back up a data folder at noon of a day, counted from 0."""
    return saving.save(data, target, now=NOW + timedelta(days=day), keep=keep)


def restore(backup: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    restoring.restore(backup, folder)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def hashed(folder: Path) -> set[str]:
    """The paths in the list of a backup."""
    return {line.split("  ", 1)[1] for line in (folder / FILE_NAME).read_text().splitlines()}


def flip(path: Path) -> None:
    """Change the last byte of a file, in place."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
