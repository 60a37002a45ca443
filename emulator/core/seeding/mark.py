"""The mark of a data folder into which state is being loaded; small, since every start looks for it."""

from pathlib import Path

_NAME = "unfinished-load"


def is_unfinished(folder: Path) -> bool:
    """Whether a process was killed while it loaded state into a data folder."""
    return (folder / _NAME).exists()


def begin(folder: Path) -> None:
    (folder / _NAME).touch()


def end(folder: Path) -> None:
    (folder / _NAME).unlink(missing_ok=True)
