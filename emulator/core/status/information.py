"""What the emulator holds: numbers of objects, use of the tier's limits, bytes on the disk and in memory."""

import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import func
from sqlmodel import Session, col, select

from emulator.core.context import Context
from emulator.core.quotas import predictions_this_month
from emulator.store.tables import (
    DEFAULT_RESOURCE,
    Export,
    Iteration,
    Project,
    StoredPrediction,
    Tag,
)

# A data folder with 100,000 images takes half a second to measure.
_MEASURED_FOR_SECONDS = 60.0


class Counts(NamedTuple):
    """Numbers of objects in the whole emulator. images, tags: of the workspaces."""

    projects: int
    images: int
    tags: int
    iterations: int
    published_iterations: int
    exports: int
    stored_predictions: int


class TierUse(NamedTuple):
    """Use of the limits of a tier (`tiers.Tier`); of limits for each project, that of the largest one.

    predictions_per_month: of this month; None where the tier does not limit them, since they are not counted.
    """

    projects: int
    images_per_project: int
    tags_per_project: int
    iterations_per_project: int
    predictions_per_month: int | None


def counts(context: Context, resource: str | None = None) -> Counts:
    """The numbers of a resource; None: of the whole emulator."""
    is_published = col(Iteration.publish_name).is_not(None)
    with context.database.read() as session:
        projects, images, _ = _projects(session, resource)

        def count(table: Any, *conditions: Any) -> int:
            statement = select(func.count()).select_from(table).where(*conditions)
            if resource is not None:
                statement = statement.where(_is_of(resource, table))
            return session.scalar(statement) or 0

        return Counts(
            projects=projects,
            images=images,
            tags=count(Tag, col(Tag.removed).is_(None)),
            iterations=count(Iteration),
            published_iterations=count(Iteration, is_published),
            exports=count(Export),
            stored_predictions=count(StoredPrediction),
        )


def tier_use(context: Context, resource: str = DEFAULT_RESOURCE) -> TierUse:
    """The use of the limits of a resource."""
    with context.database.read() as session:
        projects, _, largest = _projects(session, resource)
        size = func.count().label("size")
        tags = select(size).select_from(Tag).where(col(Tag.removed).is_(None)).group_by(col(Tag.project_id))
        iterations = select(size).select_from(Iteration).group_by(col(Iteration.project_id))
        if context.resources.has_several:
            tags, iterations = (
                tags.where(_is_of(resource, Tag)),
                iterations.where(_is_of(resource, Iteration)),
            )
        return TierUse(
            projects=projects,
            images_per_project=largest,
            tags_per_project=_largest(session, tags),
            iterations_per_project=_largest(session, iterations),
            predictions_per_month=predictions_this_month(context, session, resource),
        )


def _projects(session: Session, resource: str | None) -> tuple[int, int, int]:
    """The number of projects, of all images, and of those of the project with the most."""
    statement = select(
        func.count(), func.sum(Project.image_count), func.max(Project.image_count)
    ).select_from(Project)
    if resource is not None:
        statement = statement.where(Project.resource == resource)
    number, images, largest = session.execute(statement).one()
    return number, int(images or 0), largest or 0


def _is_of(resource: str, table: Any) -> Any:
    """The condition that a row is of a project of the resource."""
    projects = select(Project.id).where(Project.resource == resource)
    if table is Export:
        iterations = select(Iteration.id).where(col(Iteration.project_id).in_(projects))
        return col(Export.iteration_id).in_(iterations)
    return col(table.project_id).in_(projects)


def _largest(session: Session, sizes: object) -> int:
    grouped = sizes.subquery()  # type: ignore[attr-defined]
    return session.scalar(select(func.max(grouped.c.size))) or 0


def free_disk_bytes(context: Context) -> int | None:
    """Free bytes on the disk of the data folder; None when it is out of reach."""
    try:
        return shutil.disk_usage(context.folder).free
    except OSError:
        return None


def resident_bytes() -> int | None:
    """The memory of this process; None on systems other than Linux."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else None


class FolderSize:
    """The size of all files in a folder, measured at most once a minute. now: seconds, from any origin."""

    def __init__(self, folder: Path, now: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._now = now
        self._lock = threading.Lock()
        self._measured: tuple[float, int] | None = None

    @property
    def bytes(self) -> int:
        """The sum of the sizes; files that are deleted meanwhile count as empty."""
        with self._lock:
            if self._measured is None or self._now() - self._measured[0] >= _MEASURED_FOR_SECONDS:
                self._measured = self._now(), sum(_sizes(str(self._folder)))
            return self._measured[1]


def _sizes(folder: str) -> Iterator[int]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _sizes(entry.path)
                else:
                    with suppress(OSError):  # deleted meanwhile
                        yield entry.stat(follow_symlinks=False).st_size
    except OSError:  # the folder itself was deleted meanwhile
        return
