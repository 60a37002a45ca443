"""Inserting pulled projects, in the emulator's own API."""

from pathlib import Path
from typing import Annotated

from emulator.api.dependencies import Emulator, json_body
from emulator.api.routing import OperationRouter
from emulator.contract.control import pulled_projects as shapes
from emulator.core.errors import ServiceError
from emulator.core.pulled.archive import PullArchive
from emulator.core.pulled.insert import InsertRefused, insert
from emulator.core.pulled.journal import ArchiveUnusable
from emulator.core.pulled.retrain import retrain

router = OperationRouter()


# In the threads of images: it can take minutes.
@router.own("POST", "/_emulator/pulledProjects", work="images")
def insert_pulled_project(
    emulator: Emulator, body: Annotated[shapes.PulledProject, json_body(shapes.PulledProject)]
) -> shapes.InsertedProject:
    folder = Path(body.folder)
    if "\0" in body.folder or not folder.is_absolute():
        raise ServiceError("BadRequest", "'folder' must be an absolute path.")
    try:
        archive = PullArchive(folder, read_only=True)
        try:
            result = insert(emulator, archive, replace=body.replace)
        finally:
            archive.close()
    except ArchiveUnusable as unusable:
        raise ServiceError("BadRequest", f"The archive cannot be used: {unusable}.") from None
    except InsertRefused as refused:
        raise ServiceError("Conflict", f"The project is not inserted: {refused}.") from None
    iteration = None
    if body.retrain:
        try:
            iteration = retrain(emulator, result.project_id)
        except ServiceError as error:
            result.notes.append(f"no training was requested: {error.message}")
    return shapes.InsertedProject(
        project_id=result.project_id,
        project_name=result.project_name,
        image_count=result.images,
        iteration_count=result.iterations,
        training_iteration_id=None if iteration is None else iteration.id,
        training_iteration_name=None if iteration is None else iteration.name,
        notes=result.notes,
    )
