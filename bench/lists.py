"""Listing and counting in a project of 100,000 images, over the same in one of 1,000.

The rows are written straight into the store, the counters with them; the bytes of the images are not needed.
Each request is timed in turn in both projects: as it comes, and right after an image was given a tag or lost
it, when nothing that was remembered about the project is true any more.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench import load, programs
from bench.programs import EMULATOR, TRAINING, TRAINING_PATH
from bench.report import Measurement, compared

LARGE, SMALL = 100_000, 1_000
TAGS = 10
TIMES = 25
TIMES_AFTER_A_WRITE = 15
RATIO = 1.5
STARTS = 3
_UNTAGGED_EVERY = 5
_CHUNK = 5_000
_PAGE = 50


@dataclass(frozen=True)
class Filled:
    """A project full of images. `spare`: an image that bears no tag."""

    id: str
    images: int
    tag_ids: list[str]
    iteration_id: str
    spare: str


def measure() -> Iterator[Measurement]:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        # A first start makes the schema, as it does for everybody.
        with programs.running(EMULATOR, data):
            pass
        large, small = _fill(data, LARGE), _fill(data, SMALL)
        with programs.running(EMULATOR, data) as server:
            client = load.Client(server.port)
            for name, target in REQUESTS.items():
                requests = [programs.request("GET", target(project), TRAINING) for project in (large, small)]
                for request in requests:
                    client.timed([request] * 3)
                taken = [client.timed(requests) for _ in range(TIMES)]
                yield _compared(name, taken)
            for name, target in REQUESTS.items():
                taken = []
                for number in range(TIMES_AFTER_A_WRITE):
                    pair = []
                    for project in (large, small):
                        client.ask(_write(project, give=number % 2 == 0))
                        pair += client.timed([programs.request("GET", target(project), TRAINING)])
                    taken.append(pair)
                if TIMES_AFTER_A_WRITE % 2:
                    for project in (large, small):
                        client.ask(_write(project, give=False))
                yield _compared(f"{name}, after a write", taken[1:])
            writes = [_timed_write(client, (large, small), number) for number in range(TIMES)]
            yield _compared("giving an image a tag, or taking it", writes[1:])
            deletions = zip(*(_deletions(client, project) for project in (large, small)), strict=True)
            yield _compared("deleting an image", [client.timed(pair) for pair in deletions])
            client.close()
        yield from _first_times(data, large, small)


def _first_times(data: Path, large: Filled, small: Filled) -> Iterator[Measurement]:
    """What cannot be as quick: the first page far down a list since the start, when nothing is known yet."""
    for name in ("tagged, middle, newest", "two tags, middle", "an iteration's tagged, middle"):
        taken = []
        for _ in range(STARTS):
            with programs.running(EMULATOR, data) as server:
                client = load.Client(server.port)
                target = REQUESTS["count tagged"]
                client.timed(
                    [programs.request("GET", target(project), TRAINING) for project in (large, small)]
                )
                # The small one first: it pays for what any first request pays for.
                pair = [
                    client.timed([programs.request("GET", REQUESTS[name](project), TRAINING)])[0]
                    for project in (small, large)
                ]
                taken.append(pair[::-1])
                client.close()
        first, second = zip(*taken, strict=True)
        yield compared(f"  {name}, the first time since the start", "ms", first, f"{SMALL:,} images", second)


def _compared(name: str, taken: list[list[float]]) -> Measurement:
    large, small = zip(*taken, strict=True)
    return compared(name, "ms", large, f"{SMALL:,} images", small, at_most=RATIO)


# --- requests -----------------------------------------------------------------------------------------------


def _images(rest: str) -> Callable[[Filled], str]:
    def target(project: Filled) -> str:
        tagged = project.images - project.images // _UNTAGGED_EVERY
        filled = rest.format(
            middle=project.images // 2,
            middle_of_tagged=tagged // 2,
            last_of_tagged=tagged - _PAGE,
            middle_of_untagged=project.images // _UNTAGGED_EVERY // 2,
            middle_of_tag=tagged // TAGS // 2,
            tag=project.tag_ids[0],
            other=project.tag_ids[1],
            iteration=project.iteration_id,
        )
        return f"{TRAINING_PATH}/projects/{project.id}/images{filled}"

    return target


REQUESTS = {
    "all, first page": _images("?take=50"),
    "all, middle": _images("?take=50&skip={middle}"),
    "tagged, first page, newest": _images("/tagged?take=50"),
    "tagged, first page, oldest": _images("/tagged?take=50&orderBy=Oldest"),
    "tagged, middle, newest": _images("/tagged?take=50&skip={middle_of_tagged}"),
    "tagged, middle, oldest": _images("/tagged?take=50&skip={middle_of_tagged}&orderBy=Oldest"),
    "tagged, last page, newest": _images("/tagged?take=50&skip={last_of_tagged}"),
    "tagged, last page, oldest": _images("/tagged?take=50&skip={last_of_tagged}&orderBy=Oldest"),
    "untagged, first page": _images("/untagged?take=50"),
    "untagged, middle": _images("/untagged?take=50&skip={middle_of_untagged}"),
    "one tag, first page": _images("/tagged?take=50&tagIds={tag}"),
    "one tag, middle": _images("/tagged?take=50&tagIds={tag}&skip={middle_of_tag}"),
    "two tags, first page": _images("/tagged?take=50&tagIds={tag},{other}"),
    "two tags, middle": _images("/tagged?take=50&tagIds={tag},{other}&skip={middle_of_tag}"),
    "an iteration's tagged, first page": _images("/tagged?take=50&iterationId={iteration}"),
    "an iteration's tagged, middle": _images(
        "/tagged?take=50&iterationId={iteration}&skip={middle_of_tagged}"
    ),
    "count all": _images("/count"),
    "count tagged": _images("/tagged/count"),
    "count untagged": _images("/untagged/count"),
    "count one tag": _images("/tagged/count?tagIds={tag}"),
    "count two tags": _images("/tagged/count?tagIds={tag},{other}"),
    "count an iteration's tagged": _images("/tagged/count?iterationId={iteration}"),
}


def _write(project: Filled, give: bool) -> bytes:
    """A request that gives the spare image a tag, or takes it again."""
    path = f"{TRAINING_PATH}/projects/{project.id}/images/tags"
    if not give:
        return programs.request(
            "DELETE", f"{path}?imageIds={project.spare}&tagIds={project.tag_ids[0]}", TRAINING
        )
    body = json.dumps({"tags": [{"imageId": project.spare, "tagId": project.tag_ids[0]}]}).encode()
    return programs.request("POST", path, {**TRAINING, "Content-Type": "application/json"}, body)


def _timed_write(client: load.Client, projects: tuple[Filled, ...], number: int) -> list[float]:
    return client.timed([_write(project, give=number % 2 == 0) for project in projects])


def _deletions(client: load.Client, project: Filled) -> list[bytes]:
    """Requests that delete the newest images, one each."""
    path = f"{TRAINING_PATH}/projects/{project.id}/images"
    newest = json.loads(client.ask(programs.request("GET", f"{path}?take={TIMES}", TRAINING)))
    return [programs.request("DELETE", f"{path}?imageIds={image['id']}", TRAINING) for image in newest]


# --- rows ---------------------------------------------------------------------------------------------------


def _fill(data: Path, images: int) -> Filled:
    """Write a project of so many images: every fifth untagged, the others with one or two tags, and an
    iteration that was trained before the last tenth of them came."""
    from sqlalchemy import func, insert, select

    from emulator.core.domains import DOMAINS
    from emulator.store.database import Database
    from emulator.store.tables import Image, ImageTag, Iteration, Project, Tag

    project_id = str(uuid.uuid4())
    start = datetime(2025, 1, 1, tzinfo=UTC)
    tags = [
        Tag(id=str(uuid.uuid4()), project_id=project_id, name=f"tag {number}", born=1)
        for number in range(TAGS)
    ]
    project = Project(
        id=project_id,
        name=f"{images} images",
        description="",
        domain_id=DOMAINS[0].id,
        classification_type="Multilabel",
        target_export_platforms=[],
        augmentation_methods={},
        created=start,
        last_modified=start,
        new_iteration_created=start,
        revision=images,
        image_count=images,
    )
    iteration = Iteration(
        id=str(uuid.uuid4()),
        project_id=project_id,
        number=1,
        name="Iteration 1",
        status="Completed",
        created=start,
        last_modified=start,
        trained_at=start,
        domain_id=DOMAINS[0].id,
        classification_type="Multilabel",
        revision=images * 9 // 10,
    )
    database = Database(data)
    with database.write() as session:
        session.add(project)
        session.flush()
        session.add_all([*tags, iteration])
        session.flush()
        first = (session.scalar(select(func.max(Image.number))) or 0) + 1
        image_rows, tag_rows = [], []
        for index in range(images):
            borne = (
                []
                if index % _UNTAGGED_EVERY == 0
                else [index // 7 % TAGS, index // 70 % TAGS][: 1 + index % 2]
            )
            moment = start + timedelta(seconds=index)
            image_rows.append(
                {
                    "number": first + index,
                    "id": str(uuid.uuid4()),
                    "project_id": project_id,
                    "blob": hashlib.sha256(f"{project_id} {index}".encode()).hexdigest(),
                    "size": 100_000,
                    "width": 800,
                    "height": 600,
                    "created": moment,
                    "born": index + 1,
                    "tag_count": len(set(borne)),
                }
            )
            project.tagged_count += bool(borne)
            for tag in set(borne):
                tags[tag].image_count += 1
                tag_rows.append(
                    {
                        "image_number": first + index,
                        "tag_id": tags[tag].id,
                        "created": moment,
                        "born": index + 1,
                    }
                )
        for table, rows in ((Image, image_rows), (ImageTag, tag_rows)):
            for begin in range(0, len(rows), _CHUNK):
                session.execute(insert(table), rows[begin : begin + _CHUNK])
    database.close()
    spare = image_rows[images // 2 // _UNTAGGED_EVERY * _UNTAGGED_EVERY]["id"]
    return Filled(project_id, images, [tag.id for tag in tags], iteration.id, str(spare))
