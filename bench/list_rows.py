"""Projects with many rows, written directly into the store together with the counters."""

from __future__ import annotations

import hashlib
import random
import struct
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emulator.store.tables import Project, Tag

TAGS = 10
UNTAGGED_EVERY = 5
SHOPS = ("north", "south", "east", "west")
_CHUNK = 5_000
_SINGLE = struct.Struct("<f")


@dataclass(frozen=True)
class Filled:
    """A project with many images.

    Attributes:
        spare: an untagged image.
        untagged: other untagged images.
        predictions: ids of stored predictions.
        window: the first and the last time of fifty of them.
    """

    id: str
    images: int
    tag_ids: list[str]
    iteration_id: str
    spare: str
    untagged: list[str]
    predictions: list[str]
    window: tuple[datetime, datetime]


def project_with_tags(project_id: str, images: int, start: datetime) -> tuple[Project, list[Tag]]:
    """Rows of a multilabel project of `images` images, and of its TAGS tags. start: when it was created."""
    from emulator.core.rules import domains
    from emulator.store.tables import Project, Tag

    tags = [
        Tag(id=str(uuid.uuid4()), project_id=project_id, name=f"tag {number}", born=1)
        for number in range(TAGS)
    ]
    project = Project(
        id=project_id,
        name=f"{images} images",
        description="",
        domain_id=domains.default().id,
        classification_type="Multilabel",
        target_export_platforms=[],
        augmentation_methods={},
        created=start,
        last_modified=start,
        new_iteration_created=start,
        revision=images,
        image_count=images,
    )
    return project, tags


def fill(data: Path, images: int) -> Filled:
    """Write a project with a number of images, stored predictions and suggestions.

    Every fifth image is untagged, the others have one or two tags. An iteration was trained before the last
    tenth of the images was added. Real projects have suggestions for untagged images only.
    """
    from sqlalchemy import func, insert, select

    from emulator.core.rules import domains
    from emulator.store.blobs import FolderBlobStore
    from emulator.store.sqlite import SqliteDatabase
    from emulator.store.tables import (
        Image,
        ImageTag,
        Iteration,
        StoredPrediction,
        Suggestion,
    )

    project_id = str(uuid.uuid4())
    start = datetime(2025, 1, 1, tzinfo=UTC)
    project, tags = project_with_tags(project_id, images, start)
    iteration = Iteration(
        id=str(uuid.uuid4()),
        project_id=project_id,
        number=1,
        name="Iteration 1",
        status="Completed",
        created=start,
        last_modified=start,
        trained_at=start,
        domain_id=domains.default().id,
        classification_type="Multilabel",
        revision=images * 9 // 10,
        model_tags=[{"id": tag.id, "name": tag.name, "type": "Regular"} for tag in tags],
    )
    database, blobs = SqliteDatabase(data), FolderBlobStore(data)
    with database.write() as session:
        session.add(project)
        session.flush()
        session.add_all([*tags, iteration])
        session.flush()
        first = (session.scalar(select(func.max(Image.number))) or 0) + 1
        image_rows, tag_rows, prediction_rows, suggestion_rows = [], [], [], []
        chance = random.Random(images)
        now = datetime.now(UTC)
        for index in range(images):
            borne = (
                []
                if index % UNTAGGED_EVERY == 0
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
                    "metadata_": {"shop": SHOPS[index % len(SHOPS)], "shelf": str(index % 20)},
                }
            )
            said = _said(chance, tags)
            seen = now - timedelta(seconds=index)
            uncertainty = chance.random()
            suggestion_rows.append(
                {
                    "image_number": first + index,
                    "iteration_id": iteration.id,
                    "created": seen,
                    "predictions": said,
                    "uncertainty": uncertainty,
                }
            )
            prediction_rows.append(
                {
                    "id": str(uuid.uuid4()),
                    "project_id": project_id,
                    "iteration_id": iteration.id,
                    "created": seen,
                    "application": f"application {index % 10}",
                    "blob": "0" * 64,
                    "predictions": said,
                    "domain_id": domains.default().id,
                    "uncertainty": uncertainty,
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
        tables = {
            Image: image_rows,
            ImageTag: tag_rows,
            StoredPrediction: prediction_rows,
            Suggestion: suggestion_rows,
        }
        iteration.evaluation_blob = blobs.put(_evaluation([row["blob"] for row in image_rows]))
        for table, rows in tables.items():
            for begin in range(0, len(rows), _CHUNK):
                session.execute(insert(table), rows[begin : begin + _CHUNK])
    database.close()
    middle = images // 2 // UNTAGGED_EVERY * UNTAGGED_EVERY
    untagged = [str(row["id"]) for row in image_rows[middle::UNTAGGED_EVERY]]
    return Filled(
        project_id,
        images,
        [tag.id for tag in tags],
        iteration.id,
        untagged[0],
        untagged[1:],
        [row["id"] for row in prediction_rows[images // 2 :]],
        (now - timedelta(seconds=images // 2 + 50), now - timedelta(seconds=images // 2)),
    )


def _evaluation(blobs: Sequence[str]) -> bytes:
    """The evaluation of a training on the first nine tenths of the images."""
    import numpy

    trained = len(blobs) * 9 // 10
    generator = numpy.random.default_rng(trained)
    file = BytesIO()
    numpy.savez(
        file,
        keys=numpy.array([blob.encode() for blob in blobs[:trained]]),
        folds=numpy.arange(trained, dtype=numpy.int8) % 5,
        probabilities=generator.random((trained, TAGS), numpy.float32),
        targets=generator.random((trained, TAGS)) > 0.9,
    )
    return file.getvalue()


def _said(chance: random.Random, tags: Sequence[Any]) -> list[dict[str, Any]]:
    """Predictions of a multilabel model: every tag with a probability, the most probable first."""
    said = [
        {
            "tagId": tag.id,
            "tagName": tag.name,
            "tagType": "Regular",
            "probability": _SINGLE.unpack(_SINGLE.pack(chance.random() ** 3))[0],
        }
        for tag in tags
    ]
    return sorted(said, key=lambda item: -item["probability"])
