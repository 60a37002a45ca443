"""Exporting the workspace of a project as a data set."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from sqlmodel import Session, col, select

from emulator.core import lookup
from emulator.core.context import Context
from emulator.core.data_sets.format_names import known_format
from emulator.core.errors import ServiceError
from emulator.core.images.tagged import TaggedImage, with_tags
from emulator.core.revisions.views import View
from emulator.core.rules import domains
from emulator.data_sets import formats
from emulator.data_sets.record import (
    DataSet,
    DataSetUnreadable,
    ImageLabels,
    LabeledBox,
    Place,
    Problem,
    Problems,
    ProjectInfo,
    TagInfo,
)
from emulator.data_sets.writing import Output, zip_pieces
from emulator.store.references import raise_if_missing
from emulator.store.tables import Image
from emulator.vision.imaging.memory import trim_heap

_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "GIF": ".gif", "BMP": ".bmp"}
_PAGE = 1000


class DataSetSummary(NamedTuple):
    """The content of an export. losses: what the format does not represent."""

    format: str
    image_count: int
    tag_count: int
    box_count: int
    losses: list[Problem]


class Export(NamedTuple):
    """An export that is ready to be sent: the archive in pieces, and the name of its file."""

    name: str
    pieces: Iterator[bytes]


def summary(context: Context, project_id: str, format: str) -> DataSetSummary:
    """What an export of a project in a format has and loses. Raises ServiceError."""
    known = known_format(format)
    data, _ = _data_set(context, project_id)
    losses = Problems()
    for _ in _outputs(data, known, losses):
        pass
    return DataSetSummary(
        format=known,
        image_count=len(data.images),
        tag_count=len(data.tags),
        box_count=sum(len(image.boxes) for image in data.images),
        losses=list(losses),
    )


def export(context: Context, project_id: str, format: str) -> Export:
    """The archive of a project as a data set.

    Raises ServiceError. The pieces raise BlobDamaged or FileNotFoundError when the bytes of an image are
    damaged, or gone since the image was deleted meanwhile.
    """
    known = known_format(format)
    data, blobs = _data_set(context, project_id)
    outputs = _outputs(data, known, Problems())

    def read(image: ImageLabels) -> bytes:
        return context.blobs.read(blobs[image.file])

    assert data.project is not None
    name = f"{data.project.name}-{known}.zip"
    del data
    return Export(name, _then_trimmed(zip_pieces(outputs, read)))


def _then_trimmed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces; then the memory of the labels is returned to the system."""
    yield from pieces
    del pieces
    trim_heap()


def _outputs(data: DataSet, format: str, losses: Problems) -> Iterator[Output]:
    """The files of an export, of which at least the first is made. Raises ServiceError."""
    outputs = formats.write(data, format, losses)
    try:
        first = next(outputs)
    except DataSetUnreadable as impossible:
        raise ServiceError("BadRequestNotSupported", str(impossible)) from None
    return chain((first,), outputs)


def _data_set(context: Context, project_id: str) -> tuple[DataSet, dict[str, str]]:
    """The data set of a project, and the blobs of its images by the names of their files."""
    blobs: dict[str, str] = {}
    with context.database.read() as session:
        project = lookup.project(session, project_id)
        view = View(project)
        is_detection = domains.get(project.domain_id).type == "ObjectDetection"
        data = DataSet("", detection=is_detection)
        data.project = ProjectInfo(
            name=project.name,
            domain_id=project.domain_id,
            classification_type=project.classification_type,
            description=project.description,
            id=project.id,
        )
        for tag in sorted(
            lookup.workspace_tags(session, project_id).values(), key=lambda tag: (tag.born, tag.name)
        ):
            data.tags[tag.name] = TagInfo(tag.name, tag.type, tag.description, tag.id)
        for image in _images(session, view):
            labels = _labels(context, image)
            blobs[labels.file] = image.image.blob
            data.images.append(labels)
    return data, blobs


def _images(session: Session, view: View) -> Iterator[TaggedImage]:
    """The images of the workspace, in the order of their creation, in pages."""
    last = -1
    while True:
        statement = select(Image).where(*view.images, col(Image.number) > last)
        page = session.exec(statement.order_by(col(Image.number)).limit(_PAGE)).all()
        if not page:
            return
        yield from with_tags(session, view, page)
        last = page[-1].number or 0
        session.expunge_all()
        session.add(view.project)


def _labels(context: Context, image: TaggedImage) -> ImageLabels:
    row = image.image
    try:
        size, suffix = _size_and_suffix(context.blobs.path(row.blob))
    except FileNotFoundError:
        raise_if_missing(context.database, row.blob)
        raise ServiceError("Conflict", "An image was deleted meanwhile; export again.") from None
    file = f"{row.id}{suffix}"
    return ImageLabels(
        file,
        Place(file),
        tags=tuple(tag.tag_name for tag in image.tags),
        boxes=tuple(
            LabeledBox(box.tag_name, box.left, box.top, box.width, box.height, id=box.id)
            for box in image.regions
        ),
        size=size,
        id=row.id,
        metadata=row.metadata_,
    )


def _size_and_suffix(path: Path) -> tuple[tuple[int, int], str]:
    """Width and height of an image file as it is shown, which is that of its row only for small images."""
    from PIL import Image as Pillow

    from emulator.vision.imaging.opening import orientation

    with Pillow.open(path, formats=tuple(_SUFFIXES)) as image:
        width, height = image.size
        if orientation(image) >= 5:
            width, height = height, width
        return (width, height), _SUFFIXES[image.format or "JPEG"]
