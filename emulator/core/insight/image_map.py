"""A map of the images of a project in two dimensions, from the features that trainings use."""

from dataclasses import dataclass

from sqlalchemy import select as select_columns
from sqlmodel import Session, col

from emulator.core.caches.image_jobs import Call, ImageJob
from emulator.core.context import Context
from emulator.core.insight.image_jobs import job_of, known_statistics, network_domain, result_of
from emulator.core.revisions.views import View, open_view
from emulator.store.tables import Image, ImageTag

# What a map is made of, in the words of the contract.
NEIGHBORS, COMPONENTS = "NeighborEmbedding", "PrincipalComponents"
NETWORK, STATISTICS = "Network", "ColorAndShapeStatistics"


@dataclass(frozen=True)
class MappedImage:
    """An image with its place, each coordinate 0 to 1."""

    id: str
    x: float
    y: float
    tag_ids: list[str]


@dataclass(frozen=True)
class ImageMap:
    """method, features: see the constants above. image_count: of the workspace."""

    method: str
    features: str
    image_count: int
    images: list[MappedImage]


def job(context: Context, project_id: str) -> ImageJob:
    """The job that arranges the images of the workspace; started if there is none or it failed."""

    def call(domain_id: str) -> Call:
        from emulator.vision.image_map.features import map_images

        return Call(map_images, (domain_id or None, known_statistics(context, project_id, domain_id)))

    return job_of(
        context, context.image_maps, project_id, lambda project: network_domain(context, project), call
    )


def image_map(context: Context, project_id: str, iteration_id: str | None, done: ImageJob) -> ImageMap:
    """The map of a job that is over, with the tags of the workspace or of an iteration.

    Images that cannot be read, and images of an iteration that are no longer in the workspace, have no place.
    """
    import numpy

    from emulator.vision.image_map.layout import is_arranged

    places = result_of(done, "arranged")
    placed = ~numpy.isnan(places[:, 0])
    with context.database.read() as session:
        view = open_view(session, project_id, iteration_id)
        ids = _ids(session, view)
        tags = _tags(session, view)
    images = [
        MappedImage(ids[number], x, y, tags.get(number, []))
        for number, (x, y), is_placed in zip(done.numbers, places.tolist(), placed.tolist(), strict=True)
        if is_placed and number in ids
    ]
    return ImageMap(
        method=NEIGHBORS if is_arranged(int(placed.sum())) else COMPONENTS,
        features=features_of(done),
        image_count=len(done.numbers),
        images=images,
    )


def features_of(job: ImageJob) -> str:
    """The features that a job uses."""
    return NETWORK if job.variant else STATISTICS


def _ids(session: Session, view: View) -> dict[int, str]:
    statement = select_columns(col(Image.number), col(Image.id)).where(*view.images)
    return {int(number): str(image_id) for number, image_id in session.execute(statement)}


def _tags(session: Session, view: View) -> dict[int, list[str]]:
    statement = (
        select_columns(col(ImageTag.image_number), col(ImageTag.tag_id))
        .join(Image, col(Image.number) == col(ImageTag.image_number))
        .where(*view.images, view.holds(ImageTag))
        .order_by(col(ImageTag.number))
    )
    tags: dict[int, list[str]] = {}
    for number, tag_id in session.execute(statement):
        tags.setdefault(number, []).append(tag_id)
    return tags
