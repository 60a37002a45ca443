"""Projects: creating, listing, changing, deleting."""

from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, func
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from emulator.core import deletions, lookup, quotas
from emulator.core.blob_sweep import (
    export_blobs,
    sweep_blobs,
    test_evaluation_blobs,
    test_image_blobs,
)
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.notifications import azure_storage
from emulator.core.rules import domains
from emulator.core.rules.validation import checked_description, checked_name, in_any_case
from emulator.store.row_queries import RowQuery, rows_of
from emulator.store.tables import DEFAULT_RESOURCE, Image, Iteration, Project, StoredPrediction

CLASSIFICATION_TYPES = ("Multiclass", "Multilabel")
EXPORT_PLATFORMS = ("CoreML", "TensorFlow", "DockerFile", "ONNX", "VAIDK", "OpenVino")
_STORAGE_URIS = ("export_model_container_uri", "notification_queue_uri")
AUGMENTATION_METHODS = (
    "rotation",
    "scaling",
    "translation",
    "horizontal flip",
    "equalize",
    "solarize",
    "padtosquare",
)


def _first_images() -> Select[Any]:
    """The ids of projects, each with that of the first image of its workspace."""
    # A subquery for each project uses an index; grouping would scan all images.
    first = (
        select(func.min(Image.number))
        .where(Image.project_id == Project.id, col(Image.removed).is_(None))
        .correlate(Project)
        .scalar_subquery()
    )
    columns: list[Any] = [Project.id, col(Image.id).label("image_id")]
    return select_columns(*columns).join(Image, col(Image.number) == first)


_NEWEST_FIRST = rows_of(
    Project,
    lambda all_of: all_of.where(col(Project.resource) == bindparam("resource")).order_by(
        col(Project.created).desc()
    ),
)
# A list of that many takes 3 ms.
_FEW = 50
_SOME: RowQuery[tuple[str]] = RowQuery(lambda: select_columns(col(Project.id)).limit(_FEW + 1))
_FIRST_IMAGES: RowQuery[tuple[str, str]] = RowQuery(
    lambda: _first_images().where(col(Project.resource) == bindparam("resource"))
)
_FIRST_IMAGE: RowQuery[tuple[str, str]] = RowQuery(
    lambda: _first_images().where(col(Project.id) == bindparam("project_id"))
)


def create(
    context: Context,
    name: str,
    description: str = "",
    domain_id: str | None = None,
    classification_type: str | None = None,
    target_export_platforms: list[str] | None = None,
    export_model_container_uri: str | None = None,
    notification_queue_uri: str | None = None,
    resource: str = DEFAULT_RESOURCE,
) -> Project:
    """Create a project of a resource. Names need not be unique. Defaults: domain General for classification,
    Multilabel.

    The URIs are those of `azure_storage`, and are tested.
    """
    project = new_project(
        context, name, description, domain_id, classification_type, target_export_platforms, resource=resource
    )
    if export_model_container_uri or notification_queue_uri:
        with context.database.read() as session:
            quotas.check_project(context, session, resource)
        azure_storage.connect(context, project.id, export_model_container_uri, notification_queue_uri)
        project.export_model_container_uri = export_model_container_uri
        project.notification_queue_uri = notification_queue_uri
    with context.database.write() as session:
        quotas.check_project(context, session, resource)
        session.add(project)
    return project


def new_project(
    context: Context,
    name: str,
    description: str = "",
    domain_id: str | None = None,
    classification_type: str | None = None,
    target_export_platforms: list[str] | None = None,
    *,
    resource: str,
) -> Project:
    """The row of a new project of a resource, checked but not stored."""
    name = checked_name(name, "BadRequestProjectName", "project")
    description = checked_description(description, "BadRequestProjectDescription", "project")
    domain = _known_domain(domain_id or domains.default().id)
    now = context.clock.now()
    return Project(
        id=context.ids.new(),
        name=name,
        description=description,
        domain_id=domain.id,
        classification_type=_classification_type(classification_type or "Multilabel"),
        target_export_platforms=_platforms(target_export_platforms or []),
        augmentation_methods=dict.fromkeys(AUGMENTATION_METHODS, True),
        created=now,
        last_modified=now,
        new_iteration_created=now,
        resource=resource,
    )


def are_few(context: Context) -> bool:
    """Whether the list of all projects is short enough for the thread of the event loop."""
    return len(context.database.rows(_SOME)) <= _FEW


def list_all(context: Context, resource: str = DEFAULT_RESOURCE) -> list[Project]:
    """All projects of a resource, newest first."""
    return context.database.rows(_NEWEST_FIRST, resource=resource)


def get(context: Context, project_id: str) -> Project:
    return lookup.shown_project(context.database, project_id)


def update(context: Context, project_id: str, changes: dict[str, Any]) -> Project:
    """Change the values in `changes`: name, description, domain_id, classification_type,
    target_export_platforms, augmentation_methods, export_model_container_uri, notification_queue_uri. Values
    that are missing or None stay as they are; an empty URI removes it, a new one is tested.

    After a change of domain or classification type, a new training is needed.
    """
    changes = {key: value for key, value in changes.items() if value is not None}
    _test_storage(context, project_id, changes)
    with context.database.write() as session:
        project = lookup.project(session, project_id)
        if "name" in changes:
            project.name = checked_name(changes["name"], "BadRequestProjectName", "project")
        if "description" in changes:
            project.description = checked_description(
                changes["description"], "BadRequestProjectDescription", "project"
            )
        if "domain_id" in changes:
            domain = _known_domain(changes["domain_id"])
            if domain.type != domains.get(project.domain_id).type:
                raise ServiceError(
                    "BadRequestProjectUnsupportedDomainTypeChange",
                    "The domain of a project can only be changed to one of the same type.",
                )
            project.domain_id = domain.id
        if "classification_type" in changes:
            project.classification_type = _classification_type(changes["classification_type"])
        if "target_export_platforms" in changes:
            project.target_export_platforms = _platforms(changes["target_export_platforms"])
        if "augmentation_methods" in changes:
            methods = _augmentation_methods(changes["augmentation_methods"])
            project.augmentation_methods = project.augmentation_methods | methods
        for name in _STORAGE_URIS:
            if name in changes:
                setattr(project, name, changes[name] or None)
        project.last_modified = context.clock.now()
        session.add(project)
    return project


def _test_storage(context: Context, project_id: str, changes: dict[str, Any]) -> None:
    """Test the storage URIs that change. Not within a transaction, since it may take long."""
    if not any(changes.get(name) for name in _STORAGE_URIS):
        return
    project = get(context, project_id)
    container, queue = (
        changes.get(name) if changes.get(name) != getattr(project, name) else None for name in _STORAGE_URIS
    )
    azure_storage.connect(context, project_id, container or None, queue or None)


def delete(context: Context, project_id: str) -> None:
    """Delete the project and all that belongs to it. Refused while one of its iterations is published."""
    with context.database.write() as session:
        project = lookup.project(session, project_id)
        iterations = session.exec(select(Iteration).where(Iteration.project_id == project_id)).all()
        for iteration in iterations:
            if iteration.publish_name is not None:
                raise ServiceError(
                    "BadRequestIterationIsPublished",
                    f"Iteration is already published as: {iteration.publish_name}",
                )
        deleted = delete_in(session, project)
    forget_deleted(context, deleted)
    sweep_blobs(context, deleted.blobs)


class Deleted(NamedTuple):
    """A project whose rows were deleted. blobs: those to which its rows referred."""

    project_id: str
    iteration_ids: list[str]
    blobs: set[str]


def delete_in(session: Session, project: Project) -> Deleted:
    """Delete the rows of a project in a transaction of the caller, who calls `forget_deleted` after it."""
    iterations = session.exec(select(Iteration).where(Iteration.project_id == project.id)).all()
    ids = [iteration.id for iteration in iterations]
    blobs = set(session.exec(select(Image.blob).where(Image.project_id == project.id)))
    blobs |= set(session.exec(select(StoredPrediction.blob).where(StoredPrediction.project_id == project.id)))
    blobs |= deletions.blobs_of(session, project.id)
    blobs |= export_blobs(session, ids)
    for iteration in iterations:
        blobs |= {blob for blob in (iteration.model_blob, iteration.evaluation_blob) if blob}
    blobs |= test_image_blobs(session, project.id)
    blobs |= test_evaluation_blobs(session, ids)
    session.delete(project)
    session.flush()
    return Deleted(project.id, ids, blobs)


def forget_deleted(context: Context, deleted: Deleted) -> None:
    """Stop the jobs of a deleted project and clear its caches."""
    context.jobs.cancel(set(deleted.iteration_ids), {deleted.project_id})
    context.score_index.forget([deleted.project_id, *deleted.iteration_ids])
    context.kept_predictions.forget()


def _known_domain(domain_id: str) -> domains.Domain:
    domain = domains.find(domain_id)
    if domain is None:
        raise ServiceError("BadRequestProjectUnknownDomain", f"Unknown domain {domain_id}.")
    return domain


def _classification_type(text: str) -> str:
    known = in_any_case(text, CLASSIFICATION_TYPES)
    if known is None:
        raise ServiceError(
            "BadRequestProjectUnknownClassification",
            f"Unknown classification type '{text[:100]}'; it is Multiclass or Multilabel.",
        )
    return known


def _platforms(platforms: list[str]) -> list[str]:
    known_platforms = []
    for platform in platforms:
        known = in_any_case(platform, EXPORT_PLATFORMS)
        if known is None:
            raise ServiceError(
                "BadRequestProjectUnsupportedExportPlatform",
                f"Unknown export platform '{platform[:100]}'; known are {', '.join(EXPORT_PLATFORMS)}.",
            )
        known_platforms.append(known)
    return known_platforms


def _augmentation_methods(methods: dict[str, bool]) -> dict[str, bool]:
    known_methods = {}
    for method, enabled in methods.items():
        known = in_any_case(method, AUGMENTATION_METHODS)
        if known is None:
            raise ServiceError(
                "BadRequestProjectImagePreprocessingSettings",
                f"Unknown augmentation method '{method[:100]}'.",
            )
        known_methods[known] = enabled
    return known_methods


def thumbnails(context: Context, resource: str) -> dict[str, str]:
    """The id of the first image of the workspace of each project of a resource, by project id."""
    return dict(context.database.rows(_FIRST_IMAGES, resource=resource))


def thumbnail(context: Context, project_id: str) -> str | None:
    """The id of the first image of the workspace of a project."""
    return dict(context.database.rows(_FIRST_IMAGE, project_id=project_id)).get(project_id)
