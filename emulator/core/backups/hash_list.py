"""The list of the files of a backup with their SHA-256, which ``sha256sum --check SHA256SUMS`` reads, too."""

import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from emulator.core.snapshots.files import digest_of
from emulator.durable_files import write_atomically

FILE_NAME = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")
_MOST_NAMES = 10
# Paths are appended to that of a folder, also without their first segments: none may lead out of it.
_SEGMENT = re.compile(r"(?![A-Za-z]:)[^/\\\0\n]+")


class BackupRejected(Exception):
    """A folder is no backup, or files of it are missing or damaged. str() names them, for a person."""


def is_listable(path: str) -> bool:
    """Whether a POSIX path stays in its folder, also after its leading segments are removed."""
    return all(
        segment not in (".", "..") and _SEGMENT.fullmatch(segment) is not None for segment in path.split("/")
    )


def write(folder: Path, digests: Mapping[str, str]) -> None:
    """Write the list: SHA-256 by path, relative to the folder, with slashes. Raises OSError."""
    lines = [f"{digest}  {path}\n" for path, digest in sorted(digests.items())]
    write_atomically(folder / FILE_NAME, "".join(lines).encode())


def read(folder: Path) -> dict[str, str]:
    """The SHA-256 by path. Raises BackupRejected."""
    path = folder / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BackupRejected(f"{folder} is no complete backup: it has no {FILE_NAME}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BackupRejected(f"{path} cannot be read: {error}") from None
    found: dict[str, str] = {}
    for number, line in enumerate(text.split("\n")[:-1], start=1):
        parts = _LINE.fullmatch(line)
        if parts is None or not is_listable(parts[2]):
            raise BackupRejected(f"{path} is damaged in line {number}")
        found[parts[2]] = parts[1]
    if not text.endswith("\n"):
        raise BackupRejected(f"{path} is damaged: its last line is not complete")
    return found


def verify(folder: Path) -> dict[str, str]:
    """Compare every file with its SHA-256, and return these by path.

    Raises BackupRejected with the names of all files that are damaged, missing or not listed, up to ten.
    """
    listed = read(folder)
    problems = list(_problems(folder, listed))
    if problems:
        more = f" and {len(problems) - _MOST_NAMES} more" if len(problems) > _MOST_NAMES else ""
        raise BackupRejected(f"the backup {folder} is damaged: {', '.join(problems[:_MOST_NAMES])}{more}")
    return listed


def _problems(folder: Path, listed: Mapping[str, str]) -> Iterator[str]:
    for path, digest in listed.items():
        try:
            if not _is_within(folder, path):
                yield f"{path} is a link or a device, not a file"
            elif digest_of(folder / path) != digest:
                yield f"{path} has another SHA-256"
        except FileNotFoundError:
            yield f"{path} is missing"
        except OSError as error:
            yield f"{path} cannot be read ({error.strerror or error})"
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder).as_posix()
        if path not in listed and path != FILE_NAME and (file.is_symlink() or not file.is_dir()):
            yield f"{path} is not in {FILE_NAME}"


def _is_within(folder: Path, path: str) -> bool:
    """Whether a path leads to a file without symbolic links. Raises OSError."""
    file = folder / path
    above = file.relative_to(folder).parents
    is_linked = any((folder / each).is_symlink() for each in above if each != Path())
    return stat.S_ISREG(file.lstat().st_mode) and not is_linked
