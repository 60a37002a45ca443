"""Projects with many images that can be seen: rows written directly into the store, with a small file each.

`python -m bench.image_rows FOLDER COUNT` adds such a project to the data folder of an emulator that is not
running; 100,000 images take about half a minute.
"""

from __future__ import annotations

import hashlib
import sys
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

from bench.list_rows import TAGS, UNTAGGED_EVERY, project_with_tags

_PHOTOGRAPHS = ("astronaut", "cat", "coffee", "rocket", "retina", "colorwheel")
_CROPS = 20
_SIZE = (200, 150)
_CHUNK = 5_000


@dataclass(frozen=True)
class Seen:
    """A project with many images. untagged: how many of them have no tag."""

    id: str
    images: int
    untagged: int
    tag_ids: list[str]


def fill(data: Path, images: int) -> Seen:
    """Add a multilabel project: every fifth image is untagged, the others have one or two of ten tags.

    The files differ in the bytes after their end only, so that none is a duplicate.
    """
    from sqlalchemy import func, insert, select

    from emulator.store.sqlite import SqliteDatabase
    from emulator.store.tables import Image, ImageTag

    project_id = str(uuid.uuid4())
    start = datetime(2025, 1, 1, tzinfo=UTC)
    project, tags = project_with_tags(project_id, images, start)
    pictures = _pictures()
    database = SqliteDatabase(data)
    with database.write() as session:
        session.add(project)
        session.flush()
        session.add_all(tags)
        session.flush()
        first = (session.scalar(select(func.max(Image.number))) or 0) + 1
        image_rows: list[dict[str, Any]] = []
        tag_rows: list[dict[str, Any]] = []
        for index in range(images):
            content = pictures[index % len(pictures)] + f"{project_id}{index}".encode()
            borne = (
                set()
                if index % UNTAGGED_EVERY == 0
                else {index // 7 % TAGS, *([index // 70 % TAGS] if index % 2 else [])}
            )
            moment = start + timedelta(seconds=index)
            image_rows.append(
                {
                    "number": first + index,
                    "id": str(uuid.uuid4()),
                    "project_id": project_id,
                    "blob": _put(data, content),
                    "size": len(content),
                    "width": _SIZE[0],
                    "height": _SIZE[1],
                    "created": moment,
                    "born": index + 1,
                    "tag_count": len(borne),
                }
            )
            project.tagged_count += bool(borne)
            for tag in sorted(borne):
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
        seen = Seen(project_id, images, images - project.tagged_count, [tag.id for tag in tags])
    database.close()
    return seen


def _put(data: Path, content: bytes) -> str:
    """Write a blob without the synchronization of the store, which would take most of the time."""
    name = hashlib.sha256(content).hexdigest()
    folder = data / "blobs" / name[:2]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return name


def _pictures() -> list[bytes]:
    import numpy
    import skimage.data
    from PIL import Image

    generator = numpy.random.default_rng(0)
    made = []
    for name in _PHOTOGRAPHS:
        source = numpy.asarray(Image.fromarray(getattr(skimage.data, name)()).convert("RGB"))
        height, width = source.shape[:2]
        for _ in range(_CROPS):
            scale = generator.uniform(0.4, 0.9)
            rows, columns = int(height * scale), int(width * scale)
            top, left = generator.integers(height - rows), generator.integers(width - columns)
            encoded = BytesIO()
            crop = Image.fromarray(source[top : top + rows, left : left + columns])
            crop.resize(_SIZE).save(encoded, "JPEG", quality=70)
            made.append(encoded.getvalue())
    return made


if __name__ == "__main__":
    print(fill(Path(sys.argv[1]), int(sys.argv[2])))
