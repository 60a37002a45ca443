"""Jobs of a worker on all images of a workspace, for insights into them."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import func
from sqlalchemy import select as select_columns
from sqlmodel import col

from emulator.core import lookup
from emulator.core.caches.image_jobs import Call, ImageJob, ImageJobs, ImageState
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.rules import domains
from emulator.store.blobs import BlobDamaged
from emulator.store.tables import Image, Project

# So that the sum of squares is an integer of SQLite, whatever the numbers.
_MODULUS = 2**31 - 1


def job_of(
    context: Context,
    jobs: ImageJobs,
    project_id: str,
    variant_of: Callable[[Project], str],
    call: Callable[[str], Call],
) -> ImageJob:
    """The job on a project's images as they are now; started if there is none or it failed.

    variant_of: the variant of the computation. call: the call of the worker for a variant.
    """
    with context.database.read() as session:
        project = lookup.project(session, project_id)
        here = (col(Image.project_id) == project_id, col(Image.removed).is_(None))
        number = col(Image.number)
        count, numbers, squares = session.execute(
            select_columns(func.count(), func.sum(number), func.sum(number * number % _MODULUS)).where(*here)
        ).one()
        state = ImageState(count, int(numbers or 0), int(squares or 0))
        variant = variant_of(project)
        kept = jobs.get(project_id, state, variant)
        if kept is not None:
            return kept
        statement = select_columns(col(Image.number), col(Image.blob)).where(*here)
        rows = session.execute(statement.order_by(col(Image.number))).all()
    # Not a worker that trains: an advanced training would delay the job by hours.
    images = [(int(number), str(blob)) for number, blob in rows]
    return jobs.begin(project_id, images, state, context.export_worker, call(variant), variant)


def result_of(job: ImageJob, done: str) -> Any:
    """The result of a job that is over. Raises BlobDamaged, or ServiceError with what was to be `done`."""
    from emulator.vision.imaging.image_file import ImageFileDamaged

    try:
        return job.future.result(0)
    except ImageFileDamaged as damaged:
        raise BlobDamaged(damaged.key) from None
    except Exception as error:  # noqa: BLE001  (a job can raise any exception)
        raise ServiceError("ErrorUnknown", f"The images could not be {done}: {error}") from None


def network_domain(context: Context, project: Project) -> str:
    """The domain whose network computes features of the project's images: those of its quick training.

    Empty where trainings use no network, or its packages are missing: statistics of colors and shapes then.
    """
    from emulator.vision.training.packages import missing_packages

    if context.trainers.of(project.id) != "real":
        return ""
    domain = domains.get(project.domain_id)
    chosen = domain if domain.type == "Classification" else domains.named("General", "Classification")
    return "" if missing_packages(chosen.id) else chosen.id


def known_statistics(context: Context, project_id: str, domain_id: str) -> dict[str, Any]:
    """Statistics of images that were computed at their upload, by blob; none where a network is used."""
    if domain_id:
        return {}
    with context.database.read() as session:
        statement = select_columns(col(Image.blob)).where(
            col(Image.project_id) == project_id, col(Image.removed).is_(None)
        )
        blobs = [blob for (blob,) in session.execute(statement)]
    memory = context.instant_features.memory
    found = {blob: memory.get(blob) for blob in blobs}
    return {blob: features for blob, features in found.items() if features is not None}
