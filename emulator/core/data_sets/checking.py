"""Checking the images of a data set by the rules of every upload, and joining those with the same bytes."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from emulator.core.context import Context
from emulator.core.errors import reasons
from emulator.core.rules.limits import MEGABYTE, TRAINING_IMAGE_BYTES
from emulator.core.thread_pools import in_parallel
from emulator.data_sets.frames import boxes_in_fractions
from emulator.data_sets.reading import Reading
from emulator.data_sets.record import DataSet, DataSetUnreadable, ImageLabels, LabeledBox, Place

# Of images that are in memory at once.
_BATCH_BYTES = 16 * MEGABYTE
_BATCH_IMAGES = 64


@dataclass(slots=True)
class CheckedImage:
    """An image that the service accepts, with the labels of all files with these bytes.

    width, height: in pixels after the service's own resize. boxes: in fractions.
    """

    labels: ImageLabels
    blob: str
    size: int
    width: int
    height: int
    tags: dict[str, None] = field(default_factory=dict)
    boxes: list[LabeledBox] = field(default_factory=list)


class _Read(NamedTuple):
    data: bytes = b""
    blob: str = ""
    stored: tuple[int, int] = (0, 0)
    shown: tuple[int, int] = (0, 0)
    problem: str = ""


def check_images(
    context: Context,
    reading: Reading,
    data: DataSet,
    *,
    stored: set[str] | None,
    remember_features: bool = False,
    report: Callable[[float], None],
) -> list[CheckedImage]:
    """The images of a data set, each once. What is wrong with them is noted in `reading.problems`.

    Args:
        stored: the bytes are stored, and their names are added to it, also when this fails; None: nothing is.
        remember_features: whether the instant trainer will need them.
        report: is called with the fraction that is done; it may raise.

    Raises:
        DataSetUnreadable, StorageFull, OSError.
    """

    def read(image: ImageLabels) -> _Read:
        found = _read(reading, image)
        if not found.problem and stored is not None:
            stored.add(found.blob)
            context.blobs.put(found.data)
            if remember_features:
                context.instant_features.remember(found.blob, found.data)
        return found

    by_blob: dict[str, CheckedImage] = {}
    done = 0
    for batch in _batches(reading, data.images):
        report(done / max(1, len(data.images)))
        for image, found in zip(batch, in_parallel(read, batch), strict=True):
            if found.problem:
                reading.problems.error(found.problem, Place(image.file))
            else:
                _join(reading, by_blob, image, found)
        done += len(batch)
    return list(by_blob.values())


def _batches(reading: Reading, images: Sequence[ImageLabels]) -> Iterator[list[ImageLabels]]:
    batch: list[ImageLabels] = []
    size = 0
    for image in images:
        size += reading.files.size(image.file)
        if batch and (size > _BATCH_BYTES or len(batch) == _BATCH_IMAGES):
            yield batch
            batch, size = [], reading.files.size(image.file)
        batch.append(image)
    if batch:
        yield batch


def _read(reading: Reading, image: ImageLabels) -> _Read:
    from emulator.vision.imaging.decode import ImageRejected, inspect_image, stored_size

    size = reading.files.size(image.file)
    if size > TRAINING_IMAGE_BYTES:
        return _Read(problem=f"It has {size:,} bytes; an image has at most {TRAINING_IMAGE_BYTES:,}.")
    try:
        content = reading.files.read(image.file)
        info = inspect_image(content)
    except DataSetUnreadable as unreadable:
        return _Read(problem=str(unreadable))
    except ImageRejected as rejected:
        return _Read(problem=" ".join(reasons(rejected)))
    return _Read(content, hashlib.sha256(content).hexdigest(), stored_size(info), (info.width, info.height))


def _join(reading: Reading, by_blob: dict[str, CheckedImage], image: ImageLabels, found: _Read) -> None:
    boxes = boxes_in_fractions(image, found.data, found.shown, reading.problems)
    known = by_blob.get(found.blob)
    if known is None:
        known = CheckedImage(image, found.blob, len(found.data), *found.stored)
        by_blob[found.blob] = known
    elif known.labels.file != image.file:
        reading.problems.note(
            "Images with the same bytes are one, with the labels of all.", Place(image.file)
        )
    known.tags.update(dict.fromkeys(image.tags))
    present = {_without_id(box) for box in known.boxes}
    known.boxes += [box for box in boxes if _without_id(box) not in present]
    image.boxes = ()  # not needed any longer, and most of the memory


def _without_id(box: LabeledBox) -> tuple[str, float, float, float, float]:
    return box.tag, box.left, box.top, box.width, box.height
