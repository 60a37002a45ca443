"""Storing the copy of a project, with ids of its own, in one transaction."""

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert
from sqlmodel import Session, select

from emulator.core.context import Context
from emulator.core.revisions import revisions
from emulator.core.rules import domains
from emulator.store.tables import (
    Image,
    ImageTag,
    Iteration,
    IterationStatus,
    Project,
    ProjectStatus,
    Region,
    Tag,
    moment,
)

if TYPE_CHECKING:
    from emulator.core.transfer.archive import ImageTagPart, Manifest, RegionPart

_BATCH_SIZE = 1000


def fill(context: Context, session: Session, project: Project, manifest: "Manifest") -> None:
    """Fill the new, empty `project` with the content of the manifest, whose blobs are stored already.

    Iterations are unpublished, created at the time of the import, and trained at the time of the original.
    """
    ids = context.ids.branch(project.id)
    tag_ids = [ids.new() for _ in manifest.tags]
    insert_rows(
        session,
        Tag,
        [
            {"id": tag_id, "project_id": project.id, "image_count": 0, **tag.model_dump()}
            for tag_id, tag in zip(tag_ids, manifest.tags, strict=True)
        ],
    )
    image_ids = [ids.new() for _ in manifest.images]
    insert_rows(
        session,
        Image,
        [
            {
                "id": image_id,
                "project_id": project.id,
                "blob": image.blob,
                "size": manifest.blobs[image.blob],
                "width": image.width,
                "height": image.height,
                "created": moment(image.created),
                "metadata_": image.metadata,
                "born": image.born,
                "removed": image.removed,
                "tag_count": sum(bearer.removed is None for bearer in image.tags),
            }
            for image_id, image in zip(image_ids, manifest.images, strict=True)
        ],
    )
    numbers = dict(
        session.execute(select(Image.id, Image.number).where(Image.project_id == project.id)).all()
    )
    bearers: list[dict[str, Any]] = []
    regions: list[dict[str, Any]] = []
    for image_id, image in zip(image_ids, manifest.images, strict=True):
        number = numbers[image_id]
        bearers += [_on_image(bearer, number, tag_ids) for bearer in image.tags]
        regions += [{"id": ids.new(), **_on_image(region, number, tag_ids)} for region in image.regions]
    insert_rows(session, ImageTag, bearers)
    insert_rows(session, Region, regions)
    for iteration in manifest.iterations:
        session.add(
            Iteration(
                id=ids.new(),
                project_id=project.id,
                status=IterationStatus.COMPLETED,
                created=project.created,
                last_modified=context.clock.now(),
                trained_at=moment(iteration.trained_at),
                model_tags=[
                    {"id": tag_ids[output.tag], "name": output.name, "type": output.type}
                    for output in iteration.model_tags
                ],
                selected_tags=(
                    None
                    if iteration.selected_tags is None
                    else sorted(tag_ids[tag] for tag in iteration.selected_tags)
                ),
                model_blob=iteration.model,
                evaluation_blob=iteration.evaluation,
                **iteration.model_dump(
                    exclude={"trained_at", "model_tags", "selected_tags", "model", "evaluation"}
                ),
            )
        )
    project.revision = manifest.project.revision
    project.next_iteration = manifest.project.next_iteration
    project.status = ProjectStatus.SUCCEEDED
    project.last_modified = context.clock.now()
    session.add(project)
    session.flush()
    revisions.recount(session, project)


def unknown_domain(manifest: "Manifest") -> str | None:
    """A domain of the manifest that this emulator does not have, if there is one."""
    named = [manifest.project.domain_id, *(iteration.domain_id for iteration in manifest.iterations)]
    return next((domain_id for domain_id in named if domains.find(domain_id) is None), None)


def _on_image(part: "ImageTagPart | RegionPart", number: int, tag_ids: list[str]) -> dict[str, Any]:
    return part.model_dump(exclude={"tag", "created"}) | {
        "image_number": number,
        "tag_id": tag_ids[part.tag],
        "created": moment(part.created),
    }


def insert_rows(session: Session, table: Any, rows: list[dict[str, Any]]) -> None:
    """Insert rows, given as values by column, without loading them as objects."""
    for start in range(0, len(rows), _BATCH_SIZE):
        session.execute(insert(table), rows[start : start + _BATCH_SIZE])
