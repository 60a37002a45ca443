"""One import of a data set: reading the labels, checking the images, adding both to a project."""

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from sqlmodel import Session

from emulator.core import quotas
from emulator.core.context import Context
from emulator.core.data_sets import kept, reports
from emulator.core.data_sets.adding import Addition
from emulator.core.data_sets.checking import CheckedImage, check_images
from emulator.core.data_sets.kept import ImportState
from emulator.core.data_sets.request import project_named
from emulator.core.errors import ServiceError
from emulator.core.jobs.job_runner import JobFailed
from emulator.core.projects.manage import new_project
from emulator.core.rules import domains
from emulator.data_sets import formats
from emulator.data_sets.files import Files
from emulator.data_sets.reading import Reading
from emulator.data_sets.record import DataSet, Problems, place_text
from emulator.store.tables import Project

_READING, _CHECKING, _ADDING = "Reading the labels", "Checking the images", "Adding the images"
# The images take nearly all of the time.
_READ, _CHECKED = 0.05, 0.95


class DataSetImport:
    """An import, within whose context its archive is open.

    stored: gets the names of the blobs that are stored. report: called with fraction and step; it may raise.
    """

    def __init__(
        self, context: Context, state: ImportState, stored: set[str], report: Callable[[float, str], None]
    ) -> None:
        self._context, self._state = context, state
        self._stored, self._report = stored, report
        self._images: list[CheckedImage] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            path = stack.enter_context(kept.opened_archive(self._context, self._state.id))
            self._file = stack.enter_context(path.open("rb"))
            self._size = path.stat().st_size
            self._opened = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def check(self) -> None:
        """Read the labels and check the images; unless it is a dry run, their bytes are stored.

        The state gets the report. Raises JobFailed when there are errors, DataSetUnreadable, ServiceError,
        StorageFull.
        """
        state, context = self._state, self._context
        self._report(0.0, _READING)
        files = Files(self._file, self._size)
        self._reading = reading = Reading(files, missing_allowed=state.missing_allowed)
        self._data = data = formats.read(reading, state.format)
        state.format = data.format
        parts = dict(Counter(image.split for image in data.images if image.split))
        if state.parts:
            data.images = [image for image in data.images if image.split in state.parts]
        if not data.images and (state.parts or not data.is_empty):
            reading.problems.error("There are no images of the data set.")
        labeled = {image.file for image in data.images}
        left_out = sum(name not in labeled for name in reading.images)
        reading.problems.note("Images that are not in the data set are left out.", count=left_out)
        is_stored = not state.dry_run and not reading.problems.error_count
        if is_stored:
            context.disk.check_room(sum(map(files.size, labeled)))
        self._images = check_images(
            context,
            reading,
            data,
            stored=self._stored if is_stored else None,
            remember_features=is_stored and context.trainers.of(state.project_id) != "real",
            report=lambda fraction: self._report(_READ + (_CHECKED - _READ) * fraction, _CHECKING),
        )
        self._report(_CHECKED, _ADDING)
        with context.database.read() as session:
            added = self._prepared(session, reading.problems).added
        state.report = reports.report_of(data, self._images, reading.problems, parts, added)
        if reading.problems.error_count:
            self._report(_CHECKED, _ADDING)  # which raises if the import was cancelled or forgotten meanwhile
            kept.write(context, state)
            raise JobFailed(_refusal(reading.problems))

    def add(self, session: Session) -> None:
        """Add all to the project, in the session of a transaction. Raises JobFailed, ServiceError."""
        problems = Problems()
        addition = self._prepared(session, problems)
        if problems.error_count:
            raise JobFailed("The project was changed meanwhile; import again.")
        project, state = addition.project, self._state
        if state.project_is_new:
            quotas.check_project(self._context, session, state.resource)
            session.add(project)
            session.flush()
        addition.store(lambda image: self._reading.files.read(image.labels.file), self._images)
        state.project_id, state.project_name = project.id, project.name
        assert state.report is not None
        state.report |= reports.counts_of(addition.added)

    def _prepared(self, session: Session, problems: Problems) -> Addition:
        project = self._project(session)
        if domains.get(project.domain_id).type == "Classification":
            boxed = next((image for image in self._images if image.boxes), None)
            if boxed is not None:
                problems.error(
                    "The data set has boxes, and the project classifies whole images.", boxed.labels.place
                )
        addition = Addition(self._context, session, project, self._data, problems)
        addition.prepare(self._images)
        return addition

    def _project(self, session: Session) -> Project:
        """The project of the import; a new one is not in the session. Raises ServiceError."""
        state, data = self._state, self._data
        if state.project_is_new:
            # Another import, or a user, may have created it since the request arrived.
            found = project_named(session, state.resource, state.project_name)
            if found is not None:
                state.project_is_new, state.project_id = False, found.id
        if not state.project_is_new:
            project = session.get(Project, state.project_id)
            if project is None:
                raise ServiceError("NotFoundProject", "The project was deleted meanwhile.")
            return project
        info = data.project
        domain = _domain(data, state.domain_id or (info.domain_id if info else None))
        several = data.detection or any(len(image.tags) > 1 for image in self._images)
        project = new_project(
            self._context,
            state.project_name,
            description=info.description if info else "",
            domain_id=domain.id,
            classification_type=state.classification_type
            or (info.classification_type if info else "Multilabel" if several else "Multiclass"),
            resource=state.resource,
        )
        # Ids stay the same in another emulator.
        own = info.id if info else None
        project.id = own if own and session.get(Project, own) is None else state.project_id
        return project


def _domain(data: DataSet, wanted: str | None) -> domains.Domain:
    """The domain of a new project: the wanted one, or the one with its name for boxes or for tags."""
    kind: domains.DomainType = "ObjectDetection" if data.detection else "Classification"
    domain = domains.find(wanted or "")
    if domain is None:
        return domains.named("General", kind)
    if domain.type == kind:
        return domain
    try:
        return domains.named(domain.name, kind)
    except ValueError:
        raise ServiceError(
            "BadRequestProjectUnknownDomain",
            f"The domain {domain.name} has no projects of {kind}, as the data set needs.",
        ) from None


def _refusal(problems: Problems) -> str:
    first = next(iter(problems))
    place = place_text(first.file, first.line) or "The data set"
    others = problems.error_count - 1
    more = f" And {others:,} further {'error' if others == 1 else 'errors'}." if others else ""
    return f"{place}: {first.message}{more} Nothing was imported."
