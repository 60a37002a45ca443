"""Importing exported models, of this emulator or of the service, as iterations for predictions.

The zip is stored unchanged as the iteration's model; `ModelCache` loads it with `vision.exported`. An
imported iteration has no evaluation, since there are no images, and cannot be exported.
"""

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from sqlmodel import Session, select

from emulator.core import lookup, quotas
from emulator.core.blob_sweep import sweep_blobs
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.iterations import publishing
from emulator.core.iterations.manage import free_name
from emulator.core.projects.manage import CLASSIFICATION_TYPES, new_project
from emulator.core.revisions import revisions
from emulator.core.rules import domains
from emulator.core.rules.limits import MEGABYTE
from emulator.core.rules.validation import checked_name, in_any_case
from emulator.store.tables import DEFAULT_RESOURCE, Iteration, IterationStatus, Project, Tag

if TYPE_CHECKING:
    from emulator.vision.exported.model import ExportedClassifier, ExportedDetector

# Maximum size of an export.
EXPORT_BYTES = 512 * MEGABYTE


@dataclass(frozen=True)
class Publication:
    """Arguments of `publishing.publish`."""

    name: str
    prediction_id: str
    overwrite: bool = False


@dataclass(frozen=True)
class ImportedModel:
    """The result of an import. created: whether the project is new."""

    project: Project
    created: bool
    iteration: Iteration


def import_model(
    context: Context,
    export: bytes,
    *,
    project_id: str | None = None,
    project_name: str | None = None,
    classification_type: str | None = None,
    preprocessing: str | None = None,
    publication: Publication | None = None,
    resource: str = DEFAULT_RESOURCE,
) -> ImportedModel:
    """Store an export as a trained iteration of a project, in one transaction.

    Args:
        export: the zip.
        project_id: of the project that takes it.
        project_name: of the project, if no id is given: the only one with this name, or else a new one.
        classification_type: Multiclass or Multilabel, for exports that do not state it; Multiclass if None.
        preprocessing: ``NAME=VALUE[,...]``, as in `vision.exported.input_choices`; stored in the zip.
        publication: None leaves the iteration unpublished.
        resource: of the project.

    Raises:
        ServiceError: the export cannot be used; the message says why. Or a rule of projects, tags, iterations
            or publishing.
        UploadRefused: too little of the disk is free.
    """
    given_type = classification_type
    classification_type = in_any_case(given_type or "", CLASSIFICATION_TYPES)
    if given_type is not None and classification_type is None:
        raise ServiceError(
            "BadRequestProjectUnknownClassification",
            f"Unknown classification type '{given_type[:100]}'; it is Multiclass or Multilabel.",
        )
    if publication is not None:
        publishing.check_target(publication.name, publication.prediction_id)
    if project_id is None:
        project_name = checked_name(project_name, "BadRequestProjectName", "project")
    else:
        with context.database.read() as session:
            lookup.project_of(session, resource, project_id)
    context.disk.check_upload()
    model, export = _loaded(export, preprocessing)
    blob = context.blobs.put(export)
    try:
        with context.database.write() as session:
            row, created = _project(
                context, session, resource, project_id, project_name, model, classification_type
            )
            quotas.check_iteration(context, session, row.id)
            tags = _tags(context, session, row, model.labels)
            iteration = _iteration(context, session, row, model, tags, classification_type)
            iteration.model_blob = blob
            session.add_all((row, iteration))
            session.flush()
            if publication is not None:
                publishing.publish_in(context, session, iteration, *astuple(publication))
            if not context.blobs.exists(blob):  # swept meanwhile, since no row referred to it
                context.blobs.put(export)
    except BaseException:
        sweep_blobs(context, {blob})
        raise
    return ImportedModel(row, created, iteration)


def _loaded(
    export: bytes, preprocessing: str | None
) -> tuple["ExportedClassifier | ExportedDetector", bytes]:
    """The model, and the zip to store: the export with the choices of its preprocessing."""
    from emulator.vision.exported.files import ExportUnusable, read_export
    from emulator.vision.exported.input_choices import (
        CHOICES_FILE,
        NO_CHOICES,
        InputChoices,
        texts_of,
        with_choices,
    )
    from emulator.vision.exported.model import load_export

    if len(export) > EXPORT_BYTES:
        raise ServiceError("BadRequest", f"The export is larger than {EXPORT_BYTES // MEGABYTE} MB.")
    try:
        texts = {} if preprocessing is None else texts_of(preprocessing)
        choices = InputChoices.from_texts(texts)
    except ValueError as error:
        raise ServiceError("BadRequest", f"The value of 'preprocessing' is not valid. {error}.") from None
    try:
        model = load_export(export, choices=choices)
        if texts:
            if read_export(export).choices != NO_CHOICES:
                raise ExportUnusable(f"{CHOICES_FILE} in it has choices already; change that file.")
            export = with_choices(export, texts)
            read_export(export)  # it is not larger than exports may be
    except ExportUnusable as unusable:
        raise ServiceError("BadRequest", f"The export cannot be used. {unusable}") from None
    return model, export


def _detects(model: "ExportedClassifier | ExportedDetector") -> bool:
    from emulator.vision.exported.model import ExportedDetector

    return isinstance(model, ExportedDetector)


def _domain(model: "ExportedClassifier | ExportedDetector") -> domains.Domain:
    name = "General (compact) [S1]" if model.compact_s1 else "General (compact)"
    return domains.named(name, "ObjectDetection" if _detects(model) else "Classification")


def _project(
    context: Context,
    session: Session,
    resource: str,
    id: str | None,
    name: str | None,
    model: "ExportedClassifier | ExportedDetector",
    classification_type: str | None,
) -> tuple[Project, bool]:
    """The project for the iteration, and whether it is new."""
    domain = _domain(model)
    if id is not None:
        found = [lookup.project_of(session, resource, id)]
    else:
        found = list(session.exec(select(Project).where(Project.name == name, Project.resource == resource)))
    if len(found) > 1:
        raise ServiceError("BadRequestProjectName", f"{len(found)} projects are named '{name}'; give an id.")
    if not found:
        assert name is not None
        quotas.check_project(context, session, resource)
        project = new_project(
            context,
            name,
            domain_id=domain.id,
            classification_type=_classification_type(model, classification_type),
            resource=resource,
        )
        session.add(project)
        session.flush()
        return project, True
    (project,) = found
    if domains.get(project.domain_id).type != domain.type:
        kinds = ["finds objects", "classifies images"]
        ours, theirs = kinds if _detects(model) else reversed(kinds)
        raise ServiceError("BadRequestNotSupported", f"The export {ours}, and the project {theirs}.")
    return project, False


def _classification_type(model: "ExportedClassifier | ExportedDetector", chosen: str | None) -> str:
    """The classification type of the export, if it states one: the model was trained with it."""
    multilabel = getattr(model, "multilabel", True)  # the service reports detectors as Multilabel
    if multilabel is None:
        return chosen or "Multiclass"
    return "Multilabel" if multilabel else "Multiclass"


def _tags(context: Context, session: Session, project: Project, labels: tuple[str, ...]) -> list[Tag]:
    """A tag for each label: the one of the workspace with that name (not case-sensitive), or a new one."""
    if len({label.casefold() for label in labels}) < len(labels):
        raise ServiceError(
            "BadRequestTagNameNotUnique", "Two labels of the export differ by their case alone."
        )
    known = {tag.name.casefold(): tag for tag in lookup.workspace_tags(session, project.id).values()}
    missing = [label for label in labels if label.casefold() not in known]
    if missing:
        born = revisions.next_revision(context, project, touched=())
    for label in missing:
        quotas.check_tag(context, session, project.id)
        name = checked_name(label, "BadRequestTagName", "tag")
        tag = Tag(id=context.ids.new(), project_id=project.id, name=name, born=born)
        session.add(tag)
        session.flush()
        known[label.casefold()] = tag
    return [known[label.casefold()] for label in labels]


def _iteration(
    context: Context,
    session: Session,
    project: Project,
    model: "ExportedClassifier | ExportedDetector",
    tags: list[Tag],
    classification_type: str | None,
) -> Iteration:
    now = context.clock.now()
    iteration = Iteration(
        id=context.ids.new(),
        project_id=project.id,
        number=project.next_iteration,
        name=free_name(session, project),
        status=IterationStatus.COMPLETED,
        created=project.new_iteration_created,
        last_modified=now,
        trained_at=now,
        revision=project.revision,
        domain_id=_domain(model).id,
        classification_type=_classification_type(model, classification_type),
        model_tags=[{"id": tag.id, "name": tag.name, "type": tag.type} for tag in tags],
    )
    project.next_iteration += 1
    project.new_iteration_created = now
    return iteration
