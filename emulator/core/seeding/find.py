"""Which seeds a path has: folders of images, archives of projects, an archive of a snapshot."""

import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_ARCHIVES = frozenset({".tar", ".zip"})
# Files of other programs, and texts about the images.
_PASSED_OVER = frozenset({"thumbs.db", "desktop.ini"})
_TEXTS = frozenset({".md", ".txt"})
_ZIP = b"PK"


class SeedRejected(Exception):
    """What is to be loaded cannot be used. str() is one line with the place and the reason."""


class ImageFolder(NamedTuple):
    """A folder of images, which becomes a project with its name. tags: the images of each subfolder."""

    path: Path
    untagged: list[Path]
    tags: dict[str, list[Path]]

    @property
    def name(self) -> str:
        return _composed(self.path.name)


class Seeds(NamedTuple):
    """What a path has, each in the order of names. snapshots: one at most."""

    folders: list[ImageFolder]
    projects: list[Path]
    snapshots: list[Path]


def find(path: Path) -> Seeds:
    """The seeds at a path: one of them, or a folder with several.

    Raises:
        SeedRejected: there is nothing, or something else.
    """
    seeds = Seeds([], [], [])
    try:
        if path.is_file():
            _add_archive(seeds, path)
        elif not path.is_dir():
            raise SeedRejected(f"there is no {str(path)!r}")
        elif _is_of_images(path):
            seeds.folders.append(_image_folder(path))
        else:
            for child in _visible(path):
                if child.is_file():
                    _add_archive(seeds, child)
                else:
                    seeds.folders.append(_image_folder(child))
    except OSError as error:
        raise SeedRejected(f"cannot read {str(error.filename)!r}: {error.strerror or error}") from None
    if not any(seeds):
        raise SeedRejected(f"there is nothing to load in {str(path)!r}")
    if len(seeds.snapshots) > 1:
        raise SeedRejected(f"{str(path)!r} has {len(seeds.snapshots)} snapshots; there can be one")
    return seeds


def _add_archive(seeds: Seeds, path: Path) -> None:
    with path.open("rb") as file:
        is_zip = file.read(len(_ZIP)) == _ZIP
    (seeds.snapshots if is_zip else seeds.projects).append(path)


def _is_of_images(folder: Path) -> bool:
    """Whether a folder has images or folders of images, rather than being one of several seeds."""
    return any(
        _is_image(child) if child.is_file() else any(map(_is_image, _visible(child)))
        for child in _visible(folder)
    )


def _image_folder(folder: Path) -> ImageFolder:
    untagged: list[Path] = []
    tags: dict[str, list[Path]] = {}
    for child in _visible(folder):
        if child.is_dir():
            tags[_composed(child.name)] = [_image(file) for file in _visible(child)]
        else:
            untagged.append(_image(child))
    if not untagged and not any(tags.values()):
        raise SeedRejected(f"there are no images in {str(folder)!r}")
    return ImageFolder(folder, untagged, tags)


def _image(path: Path) -> Path:
    if path.is_dir():
        raise SeedRejected(f"{str(path)!r} is a folder in the folder of a tag")
    if not _is_image(path):
        raise SeedRejected(f"{str(path)!r} is among images; put archives in a folder of their own")
    return path


def _is_image(path: Path) -> bool:
    """Whether a file is to be loaded as an image, which it must be then."""
    return path.is_file() and path.suffix.lower() not in _ARCHIVES


def _visible(folder: Path) -> Iterator[Path]:
    """What a folder has, in the order of names, without hidden files and texts."""
    for path in sorted(folder.iterdir(), key=lambda path: _composed(path.name)):
        is_text = path.suffix.lower() in _TEXTS and path.is_file()
        if not path.name.startswith(".") and path.name.lower() not in _PASSED_OVER and not is_text:
            yield path


def _composed(name: str) -> str:
    """The name in the normal form C: file systems differ in the form that they keep."""
    return unicodedata.normalize("NFC", name)
