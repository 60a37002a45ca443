"""Exporting projects: the token, and the archive that another emulator fetches with it.

A token is a signed URI, ``/prjexp-<project>/project-export-info?...``, valid for a day. It returns an
`archive.Info`; under the same signature, ``project-export-data`` returns the archive. The archive contains
the project as it is when the token is used, not when it was issued.
"""

import logging
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl, urlsplit

from sqlalchemy import func
from sqlmodel import Session, col, select

from emulator.core import lookup, signed_uris
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.revisions.views import View
from emulator.store.blobs import BlobDamaged
from emulator.store.damage import describe as describe_damage
from emulator.store.tables import (
    UNFINISHED,
    Image,
    ImageTag,
    Iteration,
    IterationStatus,
    Project,
    ProjectStatus,
    Region,
    Tag,
    microseconds,
)

if TYPE_CHECKING:
    from pydantic import BaseModel

    from emulator.core.transfer.archive import Info, IterationPart, Manifest, ProjectPart

_Shape = TypeVar("_Shape", bound="BaseModel")
_log = logging.getLogger(__name__)
TOKEN_LIFETIME = timedelta(hours=24)
INFO, DATA = "project-export-info", "project-export-data"
_PATH = re.compile(rf"(?P<base>.*)(?P<path>/prjexp-(?P<digits>[0-9a-f]{{32}})/{INFO})")
# The iterations that are exported: a copy without its model would be of no use.
_WITH_MODEL = (col(Iteration.status) == IterationStatus.COMPLETED, col(Iteration.model_blob).is_not(None))
# Rough estimates of the duration of an import: the minimum, and for each image.
_IMPORT_MILLISECONDS, _IMPORT_MILLISECONDS_PER_IMAGE = 500, 5


class ProjectExport(NamedTuple):
    """The token and the size of a project. tag_count: sum over the workspace and all iterations."""

    iteration_count: int
    image_count: int
    tag_count: int
    region_count: int
    estimated_import_milliseconds: int
    token: str


class Token(NamedTuple):
    """The parts of a token. base: scheme, host and prefix of the path."""

    base: str
    path: str
    query: str
    project_id: str
    signature: str
    expires: str

    @property
    def info_url(self) -> str:
        return f"{self.base}{self.path}?{self.query}"

    @property
    def data_url(self) -> str:
        return f"{self.base}{self.path.removesuffix(INFO)}{DATA}?{self.query}"


def parse_token(text: str) -> Token | None:
    """The parts of `text`; None when it is not a token."""
    try:
        parts = urlsplit(text)
        match = _PATH.fullmatch(parts.path)
        query = dict(parse_qsl(parts.query, max_num_fields=20))
    except ValueError:
        return None
    if match is None or parts.scheme not in ("http", "https") or not parts.netloc or parts.fragment:
        return None
    digits, signature, expires = match["digits"], query.get("sig", ""), query.get("se", "")
    if not signature or not expires:
        return None
    base = f"{parts.scheme}://{parts.netloc}{match['base']}"
    return Token(
        base=base,
        path=match["path"],
        query=parts.query,
        project_id=signed_uris.format_guid(digits),
        signature=signature,
        expires=expires,
    )


def token_path(project_id: str) -> str:
    """The path of the tokens of a project, which is signed."""
    return f"/prjexp-{project_id.replace('-', '')}/{INFO}"


def export(context: Context, base: str, project_id: str) -> ProjectExport:
    """Issue a token and count what an import copies. base: scheme and host of the emulator."""
    with context.database.read() as session:
        project = lookup.project(session, project_id)
        if project.status != ProjectStatus.SUCCEEDED:
            raise ServiceError(
                "BadRequestNotSupported", f"The project cannot be exported: its status is {project.status}."
            )
        of_project = select(Iteration).where(Iteration.project_id == project_id)
        if session.exec(of_project.where(col(Iteration.status).in_(UNFINISHED)).limit(1)).first() is not None:
            raise ServiceError(
                "BadRequestExportWhileTraining", "The project cannot be exported while it is training."
            )
        iterations = session.exec(of_project.where(*_WITH_MODEL)).all()
        views = [View(project), *(View(project, iteration.revision) for iteration in iterations)]
        tags = sum(
            session.scalar(
                select(func.count()).select_from(Tag).where(Tag.project_id == project_id, view.holds(Tag))
            )
            or 0
            for view in views
        )
        regions = session.scalar(
            select(func.count())
            .select_from(Region)
            .join(Tag, col(Tag.id) == Region.tag_id)
            .where(Tag.project_id == project_id, col(Region.removed).is_(None))
        )
    return ProjectExport(
        iteration_count=len(iterations),
        image_count=project.image_count,
        tag_count=tags,
        region_count=regions or 0,
        estimated_import_milliseconds=(
            _IMPORT_MILLISECONDS + _IMPORT_MILLISECONDS_PER_IMAGE * project.image_count
        ),
        token=signed_uris.signed(context, base, token_path(project_id), TOKEN_LIFETIME),
    )


def info_of(session: Session, project: Project) -> "Info":
    """The `Info` of a project."""
    from emulator.core.transfer.archive import Info

    tags = session.scalar(
        select(func.count()).select_from(Tag).where(Tag.project_id == project.id, col(Tag.removed).is_(None))
    )
    return Info(project=_project_part(project), image_count=project.image_count, tag_count=tags or 0)


def open_info(context: Context, project_id: str) -> bytes | None:
    """The `Info` of a project as JSON; None when there is no such project."""
    with context.database.read() as session:
        project = session.get(Project, project_id)
        return None if project is None else info_of(session, project).model_dump_json().encode()


def open_archive(context: Context, project_id: str) -> Iterator[bytes] | None:
    """The archive of a project, in pieces; None when there is no such project.

    The pieces end with BlobDamaged, whose reason is logged, when a blob is damaged.
    """
    from emulator.core.transfer import archive as archive_format

    with context.database.read() as session:
        project = session.get(Project, project_id)
        if project is None:
            return None
        manifest = describe(context, session, project)

    def read(blob: str) -> bytes:
        try:
            return context.blobs.read(blob)
        except BlobDamaged as damaged:
            message = describe_damage(context.database, damaged).message
            _log.error("The archive of project %s was not completed. %s", project_id, message)
            raise

    return archive_format.write(manifest, read)


def describe(context: Context, session: Session, project: Project) -> "Manifest":
    """The project as it is now: its workspace, its completed iterations and the data of their trainings."""
    from emulator.core.transfer import archive

    iterations = session.exec(
        select(Iteration)
        .where(Iteration.project_id == project.id, *_WITH_MODEL)
        .order_by(col(Iteration.number))
    ).all()
    revisions = sorted({iteration.revision for iteration in iterations})

    def is_contained(born: int, removed: int | None) -> bool:
        return removed is None or any(born <= revision < removed for revision in revisions)

    all_tags = session.exec(
        select(Tag).where(Tag.project_id == project.id).order_by(col(Tag.born), col(Tag.name))
    )
    tags = [tag for tag in all_tags if is_contained(tag.born, tag.removed)]
    place = {tag.id: position for position, tag in enumerate(tags)}
    images: dict[int, archive.ImagePart] = {}
    sizes: dict[str, int] = {}
    # Rows instead of objects, and parts without validation, since there may be many.
    rows = session.execute(
        _columns(Image).where(col(Image.project_id) == project.id).order_by(col(Image.number))
    )
    for image in rows.mappings():
        if is_contained(image["born"], image["removed"]):
            sizes[image["blob"]] = image["size"]
            images[image["number"]] = archive.ImagePart.model_construct(
                **{name: image[name] for name in ("born", "removed", "blob", "width", "height")},
                created=microseconds(image["created"]),
                metadata=image["metadata"] or None,
                tags=[],
                regions=[],
            )
    for bearer in session.execute(_of_images(ImageTag, project.id)).mappings():
        part = images.get(bearer["image_number"])
        if part is not None and bearer["tag_id"] in place and is_contained(bearer["born"], bearer["removed"]):
            part.tags.append(archive.ImageTagPart.model_construct(**_versioned(bearer, place)))
    for region in session.execute(_of_images(Region, project.id)).mappings():
        part = images.get(region["image_number"])
        if part is not None and region["tag_id"] in place and is_contained(region["born"], region["removed"]):
            box = {side: region[side] for side in ("left", "top", "width", "height")}
            part.regions.append(archive.RegionPart.model_construct(**box, **_versioned(region, place)))
    parts = [_iteration_part(iteration, place) for iteration in iterations]
    for blob in (blob for part in parts for blob in (part.model, part.evaluation) if blob):
        sizes.setdefault(blob, context.blobs.path(blob).stat().st_size)
    return archive.Manifest(
        project=_project_part(project),
        tags=[_part(archive.TagPart, tag) for tag in tags],
        images=list(images.values()),
        iterations=parts,
        blobs=sizes,
    )


def _part(shape: type[_Shape], row: Any, **other: Any) -> _Shape:
    """A `shape` from the columns of a row that are named like its fields, and from `other`."""
    same = {name: getattr(row, name) for name in shape.model_fields if name not in other}
    return shape(**same, **other)


def _columns(table: Any) -> Any:
    return select(*table.__table__.columns)


def _of_images(table: type[ImageTag] | type[Region], project_id: str) -> Any:
    return (
        _columns(table)
        .join(Image, col(Image.number) == table.image_number)
        .where(Image.project_id == project_id)
        .order_by(col(table.number))
    )


def _versioned(row: Any, place: dict[str, int]) -> dict[str, Any]:
    return {
        "tag": place[row["tag_id"]],
        "born": row["born"],
        "removed": row["removed"],
        "created": microseconds(row["created"]),
    }


def _project_part(project: Project) -> "ProjectPart":
    from emulator.core.transfer.archive import ProjectPart

    return _part(ProjectPart, project)


def _iteration_part(iteration: Iteration, place: dict[str, int]) -> "IterationPart":
    from emulator.core.transfer.archive import IterationPart, ModelTagPart

    chosen = iteration.selected_tags
    assert iteration.trained_at is not None
    return _part(
        IterationPart,
        iteration,
        trained_at=microseconds(iteration.trained_at),
        selected_tags=None if chosen is None else [place[tag] for tag in chosen],
        model_tags=[
            ModelTagPart.model_validate(
                {"tag": place[output["id"]], "name": output["name"], "type": output["type"]}
            )
            for output in iteration.model_tags or ()
        ],
        model=iteration.model_blob,
        # A pulled model becomes an imported one, which has none.
        evaluation=None if iteration.is_pulled else iteration.evaluation_blob,
    )
