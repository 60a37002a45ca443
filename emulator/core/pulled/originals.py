"""Originals from a folder in place of the images of a pulled project, which the service has scaled down.

Only the files are exchanged, in the archive: boxes are fractions of the sides, and everything else stays as
it is.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from emulator.core.pulled.archive import PullArchive, StoredFile, digest_of_file
from emulator.core.thread_pools import in_parallel
from emulator.data_sets.files import IMAGE_SUFFIXES
from emulator.vision.duplicates.originals import Look, candidates, chosen, difference, look_at
from emulator.vision.imaging.decode import STORED_LONGEST_SIDE, ImageRejected, inspect_image, stored_size

# Larger files are no photographs.
_MOST_BYTES = 256 * 2**20
_AT_A_TIME = 64


@dataclass
class Attached:
    """What became of the images of a project that the service may have scaled down, and of the files.

    images: all of them. exchanged: now, and by earlier runs. ambiguous: images for which several files may be
    the original. unreadable: number of files that are no images, or of a single colour.
    """

    images: int = 0
    exchanged: int = 0
    files: int = 0
    unreadable: int = 0
    ambiguous: list[str] = field(default_factory=list)


def attach_originals(
    archive: PullArchive, folder: Path, report: Callable[[str, int, int], None] = lambda step, done, of: None
) -> Attached:
    """Exchange the images of an archive for their originals in a folder and those below it.

    report: called with a step, and the numbers of images that are done and of all. Raises ArchiveUnusable,
    OSError.
    """
    found = Attached()
    wanted = []
    for image in archive.images():
        stored = archive.file("image", image)
        if stored is None or max(stored.width, stored.height) < STORED_LONGEST_SIDE:
            continue
        found.images += 1
        if _is_exchanged(archive, image, stored):
            found.exchanged += 1
        else:
            wanted.append((image, stored.path))
    if not wanted:
        return found
    files = sorted(_files(folder))
    found.files = len(files)
    originals = dict(_looks(files, "Originals", report))
    found.unreadable = len(files) - len(originals)
    images = dict(_looks([path for _, path in wanted], "Images", report))
    known = [(image, path) for image, path in wanted if path in images]
    paths = list(originals)
    nearest = candidates([images[path] for _, path in known], list(originals.values()))
    for number, ((image, path), indexes) in enumerate(zip(known, nearest, strict=True)):
        report("Comparing", number, len(known))
        outcome = _original_of(path, [paths[index] for index in indexes])
        if isinstance(outcome, Path):
            _exchange(archive, image, outcome)
            found.exchanged += 1
        elif outcome:
            found.ambiguous.append(image)
    return found


def _is_exchanged(archive: PullArchive, image: str, stored: StoredFile) -> bool:
    """Whether the file of an image is its original; one that a process wrote before its end is noted now."""
    noted = archive.document(_document(image))
    if noted is None or noted["sha256"] == stored.sha256:
        return noted is not None
    content = stored.path.read_bytes()
    if hashlib.sha256(content).hexdigest() != noted["sha256"]:
        return False
    archive.put_file("image", image, content, *stored_size(inspect_image(content)))
    return True


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file() and path.stat().st_size <= _MOST_BYTES:
            yield path


def _looks(
    paths: Sequence[Path], step: str, report: Callable[[str, int, int], None]
) -> Iterator[tuple[Path, Look]]:
    for begin in range(0, len(paths), _AT_A_TIME):
        report(step, begin, len(paths))
        some = paths[begin : begin + _AT_A_TIME]
        for path, look in zip(some, in_parallel(lambda one: look_at(one.read_bytes()), some), strict=True):
            if look is not None:
                yield path, look


def _original_of(image: Path, paths: Sequence[Path]) -> Path | bool:
    """The original among the candidates; True when several may be it, False when none is."""
    # Copies of a file are one candidate.
    by_digest = {digest_of_file(path): path for path in reversed(paths)}
    different = list(reversed(by_digest.values()))
    content = image.read_bytes()
    try:
        differences = [difference(content, path.read_bytes()) for path in different]
    except ImageRejected:
        return False
    index = chosen(differences)
    return any(one.is_none for one in differences) if index is None else different[index]


def _exchange(archive: PullArchive, image: str, original: Path) -> None:
    content = original.read_bytes()
    size = stored_size(inspect_image(content))
    noted = {"name": original.name, "sha256": hashlib.sha256(content).hexdigest()}
    archive.put_document(_document(image), noted)
    archive.write_file("image", image, content)
    archive.put_file("image", image, content, *size)


def _document(image: str) -> str:
    return f"original/{image}"
