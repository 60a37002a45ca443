"""Tags: creating, listing, changing, deleting."""

from typing import NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, func
from sqlalchemy import delete as delete_rows
from sqlalchemy import update as update_rows
from sqlmodel import Session, col, select

from emulator.core import deletions, lookup, quotas
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.labels import on_test_images
from emulator.core.revisions import revisions
from emulator.core.revisions.views import View, open_view
from emulator.core.rules import domains
from emulator.core.rules.validation import checked_description, checked_name, in_any_case
from emulator.store.row_queries import rows_of
from emulator.store.tables import Image, ImageTag, Project, Region, Tag

TYPES = ("Regular", "Negative", "GeneralProduct")
_IN_WORKSPACE = rows_of(
    Tag,
    lambda all_of: all_of.where(col(Tag.project_id) == bindparam("project_id"), col(Tag.removed).is_(None)),
)
_ONE_IN_WORKSPACE = rows_of(
    Tag,
    lambda all_of: all_of.where(
        col(Tag.id) == bindparam("tag_id"),
        col(Tag.project_id) == bindparam("project_id"),
        col(Tag.removed).is_(None),
    ),
)


class CountedTag(NamedTuple):
    """A tag and the number of its images in a view."""

    tag: Tag
    image_count: int


def create(
    context: Context, project_id: str, name: str, description: str | None = None, type: str | None = None
) -> Tag:
    """Create a tag. Names are unique in the workspace (not case-sensitive); at most one tag is Negative."""
    name = checked_name(name, "BadRequestTagName", "tag")
    description = _description(description)
    with context.database.write() as session:
        project = lookup.project(session, project_id)
        quotas.check_tag(context, session, project_id)
        checked_type = _checked_type(session, project, type or "Regular")
        _check_unique(session, project_id, name)
        tag = Tag(
            id=context.ids.new(),
            project_id=project_id,
            name=name,
            description=description,
            type=checked_type,
            born=revisions.next_revision(context, project, touched=()),
        )
        session.add(tag)
        session.add(project)
    return tag


def with_negative(
    context: Context, session: Session, project: Project, chosen: list[Tag], name: str
) -> list[Tag]:
    """The chosen tags and the Negative tag of the workspace, which is created if there is none.

    name: of a new tag; a number is added where another tag has it.
    """
    known = list(lookup.workspace_tags(session, project.id).values())
    negative = next((tag for tag in known if tag.type == "Negative"), None)
    if negative is None:
        quotas.check_tag(context, session, project.id)
        taken = {tag.name.casefold() for tag in known}
        names = (name, *(f"{name} {number}" for number in range(2, len(known) + 3)))
        negative = Tag(
            id=context.ids.new(),
            project_id=project.id,
            name=next(each for each in names if each.casefold() not in taken),
            type="Negative",
            born=revisions.next_revision(context, project, touched=()),
        )
        session.add_all((negative, project))
        session.flush()
    return [*(tag for tag in chosen if tag.id != negative.id), negative]


def list_all(context: Context, project_id: str, iteration_id: str | None = None) -> list[CountedTag]:
    """The tags of the workspace or of an iteration, in the order of `guid_order` of their ids."""
    if iteration_id is None:
        rows = context.database.rows(_IN_WORKSPACE, project_id=project_id)
        if not rows:
            lookup.shown_project(context.database, project_id)
        counted = [CountedTag(tag, tag.image_count) for tag in rows]
        return sorted(counted, key=lambda item: guid_order(item.tag.id))
    with context.database.read() as session:
        view = open_view(session, project_id, iteration_id)
        tags = session.exec(select(Tag).where(Tag.project_id == project_id, view.holds(Tag))).all()
        counts = _counts(session, view)
        counted = [
            CountedTag(tag, tag.image_count if view.is_workspace else counts.get(tag.id, 0)) for tag in tags
        ]
    return sorted(counted, key=lambda item: guid_order(item.tag.id))


def get(context: Context, project_id: str, tag_id: str, iteration_id: str | None = None) -> CountedTag:
    if iteration_id is None:
        for row in context.database.rows(_ONE_IN_WORKSPACE, tag_id=tag_id, project_id=project_id):
            return CountedTag(row, row.image_count)
        lookup.shown_project(context.database, project_id)
        raise lookup.no_tag()
    with context.database.read() as session:
        view = open_view(session, project_id, iteration_id)
        tag = session.exec(
            select(Tag).where(Tag.id == tag_id, Tag.project_id == project_id, view.holds(Tag))
        ).first()
        if tag is None:
            raise lookup.no_tag()
        count = tag.image_count if view.is_workspace else _counts(session, view).get(tag.id, 0)
        return CountedTag(tag, count)


def update(
    context: Context,
    project_id: str,
    tag_id: str,
    name: str | None = None,
    description: str | None = None,
    type: str | None = None,
) -> Tag:
    """Change the given values. None leaves a value as it is; an empty description removes it."""
    with context.database.write() as session:
        tag = lookup.workspace_tag(session, project_id, tag_id)
        if name is not None:
            name = checked_name(name, "BadRequestTagName", "tag")
            _check_unique(session, project_id, name, but=tag_id)
            tag.name = name
        if description is not None:
            tag.description = _description(description)
        if type is not None and in_any_case(type, TYPES) != tag.type:
            project = lookup.project(session, project_id)
            tag.type = _checked_type(session, project, type)
            if tag.type == "Negative":
                _check_no_other_tag(session, tag)
            revisions.next_revision(context, project, touched=())
            session.add(project)
        session.add(tag)
    return tag


def delete(context: Context, project_id: str, tag_id: str) -> None:
    """Delete the tag from the workspace and from test sets, with its regions; iterations that were trained
    before keep it.

    It can be restored for an hour (`restore`).
    """
    with context.database.write() as session:
        tag = lookup.workspace_tag(session, project_id, tag_id)
        project = lookup.project(session, project_id)
        revision = revisions.next_revision(context, project, touched=None)
        frozen = revisions.newest_frozen_revision(session, project_id)
        deletions.keep_tag(context, session, tag, on_test_images.of_tag(session, tag_id))
        bearers = select(ImageTag.image_number).where(
            ImageTag.tag_id == tag_id, col(ImageTag.removed).is_(None)
        )
        session.execute(
            update_rows(Image).where(col(Image.number).in_(bearers)).values(tag_count=Image.tag_count - 1)
        )
        session.execute(
            update_rows(ImageTag)
            .where(col(ImageTag.tag_id) == tag_id, col(ImageTag.removed).is_(None))
            .values(removed=revision)
        )
        session.execute(
            delete_rows(ImageTag).where(col(ImageTag.tag_id) == tag_id, col(ImageTag.born) > frozen)
        )
        revisions.remove_regions(session, [col(Region.tag_id) == tag_id], revision, frozen)
        on_test_images.remove(session, tag_id)
        tag.removed, tag.image_count = revision, 0
        session.add(tag)
        if tag.born > frozen:
            session.delete(tag)
        session.flush()
        revisions.recount(session, project)
        session.add(project)


def guid_order(tag_id: str) -> bytes:
    """A sort key for the order of tags in the service, that of a uniqueidentifier in SQL Server: bytes 10-15,
    8-9, then the first three groups from the last to the first, each byte-swapped."""
    raw = UUID(tag_id).bytes_le
    return raw[10:16] + raw[8:10] + raw[6:8] + raw[4:6] + raw[0:4]


def _description(text: str | None) -> str | None:
    # An empty description is returned as null, unlike that of a project.
    return checked_description(text, "BadRequestTagDescription", "tag") if text else None


def _check_unique(session: Session, project_id: str, name: str, but: str | None = None) -> None:
    folded = name.casefold()
    for tag in lookup.workspace_tags(session, project_id).values():
        if tag.id != but and tag.name.casefold() == folded:
            raise ServiceError("BadRequestTagNameNotUnique", f"Tag name '{name}' is already in use.")


def _checked_type(session: Session, project: Project, type: str) -> str:
    known = in_any_case(type, TYPES)
    if known is None:
        raise ServiceError(
            "BadRequestTagType", f"Unknown tag type '{type[:100]}'; known are {', '.join(TYPES)}."
        )
    if known == "Regular":
        return known
    domain = domains.get(project.domain_id)
    if known == "GeneralProduct" and domain.name != "Products on Shelves":
        raise ServiceError(
            "BadRequestTagType", "GeneralProduct tags exist in the domain Products on Shelves only."
        )
    if known == "Negative" and domain.type != "Classification":
        raise ServiceError("BadRequestTagType", "Negative tags exist in classification projects only.")
    others = lookup.workspace_tags(session, project.id).values()
    if any(tag.type == known for tag in others):
        code = (
            "BadRequestMultipleNegativeTag" if known == "Negative" else "BadRequestMultipleGeneralProductTag"
        )
        raise ServiceError(code, f"The project already has a {known} tag.")
    return known


def _check_no_other_tag(session: Session, tag: Tag) -> None:
    """A tag can become Negative only while no image has it together with another one."""
    shared = (
        select(func.count())
        .select_from(ImageTag)
        .join(Image, col(Image.number) == ImageTag.image_number)
        .where(ImageTag.tag_id == tag.id, col(ImageTag.removed).is_(None), Image.tag_count > 1)
    )
    if session.scalar(shared):
        raise ServiceError(
            "BadRequestNegativeAndRegularTagOnSameImage",
            "Some images bear this tag beside others; a Negative tag must be alone on its images.",
        )


def _counts(session: Session, view: View) -> dict[str, int]:
    if view.is_workspace:
        return {}
    rows = session.execute(
        select(ImageTag.tag_id, func.count())
        .join(Image, col(Image.number) == ImageTag.image_number)
        .where(Image.project_id == view.project.id, view.holds(ImageTag), view.holds(Image))
        .group_by(col(ImageTag.tag_id))
    )
    return dict(rows.all())
