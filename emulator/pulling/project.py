"""Pulling one project: what is requested, in which order, and when it is complete.

Everything that was received is in the archive, so a pull that ended early goes on where it was. At the end
the project is compared with what it was at the beginning; after a change, what may differ is requested again.
"""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import Any

from emulator.core.pulled.archive import WORKSPACE, PullArchive
from emulator.pulling import iterations
from emulator.pulling.files import ATTEMPTS_WITH_NEW_URI
from emulator.pulling.predictions import NAME as PREDICTIONS
from emulator.pulling.predictions import pull_predictions
from emulator.pulling.service import PullFailed, Refused, Service
from emulator.pulling.source import PAGE, Source, without_uris

_CALLS_AT_A_TIME = 6
_MOST_PASSES = 3
# Documents of the state of the workspace, which a further pass requests again.
_STATE = "state"
_IS_COMPLETE = "complete"
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_STORAGE_URIS = ("exportModelContainerUri", "notificationQueueUri")


@dataclass(frozen=True)
class Choice:
    """What is pulled besides the workspace."""

    iterations: bool = True
    predictions: bool = True


class ProjectPull(Source):
    """The pull of one project into its archive."""

    def __init__(
        self, service: Service, archive: PullArchive, project_id: str, choice: Choice | None = None
    ) -> None:
        super().__init__(service, archive, project_id)
        self._choice = choice or Choice()

    def run(self) -> list[str]:
        """Pull everything; returns the differences that remain between the archive and the project."""
        archive = self.archive
        if archive.meta("project") not in (None, self.project_id):
            raise PullFailed(f"{str(archive.folder)!r} has another project; give another folder")
        with archive.transaction():
            archive.put_meta("project", self.project_id)
            archive.put_meta("host", self.service.host)
            archive.forget_reasons()
        self.files.start()
        try:
            if archive.meta(_IS_COMPLETE):  # an earlier run has ended: what is new is wanted now
                self._begin_pass()
            for _ in range(_MOST_PASSES):
                if not self.archive.has_document(_STATE):
                    self._begin_pass()
                self._pass()
                differences = self._differences()
                if not differences:
                    break
                self._begin_pass()
        finally:
            self.files.end()
        archive.forget_unlisted_images()
        archive.put_meta(_IS_COMPLETE, "" if differences else "yes")
        return differences

    # The state of the project, by which changes are noticed

    def _begin_pass(self) -> None:
        self.progress.step = "Reading the project"
        found = self._state()
        tags = self.get("tags")
        domains = self.service.get("domains")
        with contextlib.suppress(Refused):
            settings = found["project"]["settings"]
            if settings["domainId"] not in {domain["id"] for domain in domains}:
                domains.append(self.service.get(f"domains/{settings['domainId']}"))
        archive = self.archive
        with archive.transaction():
            before = archive.document(_STATE)
            for iteration in _replaced(before, found):
                archive.forget_view(iteration)
            archive.forget_view(WORKSPACE)
            archive.put_document("tags", tags)
            archive.put_document("domains", domains)
            archive.put_document(_STATE, found)
            archive.put_meta(_IS_COMPLETE, "")
            archive.put_meta(PREDICTIONS, "")

    def _state(self) -> dict[str, Any]:
        project = without_uris(self.get(""))
        for name in _STORAGE_URIS:
            project["settings"].pop(name, None)
        counts = {
            name: self.get(path)
            for name, path in (
                ("total", "images/count"),
                ("tagged", "images/tagged/count"),
                ("untagged", "images/untagged/count"),
            )
        }
        return {"project": project, "counts": counts, "iterations": iterations.listed(self)}

    def _differences(self) -> list[str]:
        self.progress.step = "Comparing with the project"
        before, now = self.archive.document(_STATE), self._state()
        found = [
            f"{what} changed while it was pulled"
            for what, is_same in (
                ("the project", before["project"] == now["project"]),
                ("the number of images", before["counts"] == now["counts"]),
                ("an iteration", before["iterations"] == now["iterations"]),
            )
            if not is_same
        ]
        listed, total = self.archive.listed_count(WORKSPACE), now["counts"]["total"]
        if listed != total and not found:
            found.append(f"the service counts {total} images and lists {listed}")
        return found

    # One pass

    def _pass(self) -> None:
        state = self.archive.document(_STATE)
        jobs: list[Callable[[], None]] = []
        total = state["counts"]["total"]
        self.progress.step = "Images"
        jobs += [partial(self.page, WORKSPACE, skip) for skip in range(0, total, PAGE)]
        if self._choice.predictions:
            jobs.append(partial(pull_predictions, self))
        chosen = state["iterations"] if self._choice.iterations else []
        chosen = [iteration for iteration in chosen if iterations.is_pulled(iteration)]
        self.progress.planned_images = max(total, self.archive.image_count())
        self.progress.planned_calls = self.progress.calls + len(jobs)
        for iteration in chosen:
            self.progress.planned_calls += iterations.estimated_calls(self, iteration, total)
        self.each(jobs)
        self.rest_of(WORKSPACE)
        self.progress.step = "Iterations"
        self.each(partial(iterations.count_images, self, iteration) for iteration in chosen)
        self.each(job for iteration in chosen for job in iterations.jobs(self, iteration))
        for iteration in chosen:
            self.rest_of(iteration["id"])
        self.progress.step = "Files"
        self.files.wait()
        for _ in range(ATTEMPTS_WITH_NEW_URI):
            if not self._choice.predictions or not self.archive.unsettled_predictions():
                break
            pull_predictions(self)  # for new URIs
            self.files.wait()

    def each(self, jobs: Iterable[Callable[[], None]]) -> None:
        """Run jobs, several at a time. Raises the error of the first that fails."""
        with ThreadPoolExecutor(_CALLS_AT_A_TIME, "calls") as pool:
            running: set[Future[None]] = set()
            try:
                for job in jobs:
                    running.add(pool.submit(job))
                    if len(running) >= 2 * _CALLS_AT_A_TIME:
                        running = self._checked(running, FIRST_COMPLETED)
                while running:
                    running = self._checked(running, FIRST_COMPLETED)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _checked(self, running: set[Future[None]], when: str) -> set[Future[None]]:
        done, rest = wait(running, return_when=when, timeout=1.0)
        for future in done:
            future.result()
        self.files.check()
        return rest


def chosen_projects(service: Service, wanted: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The projects of the resource: those with the ids or names in `wanted`, or all if it is empty.

    Raises LookupError with one line when a project is not there, or a name is not unique.
    """
    projects = [project for project in service.get("projects") if _GUID.fullmatch(str(project.get("id")))]
    names = list(wanted)
    if not names:
        yield from projects
        return
    for name in names:
        found = [project for project in projects if project["id"] == name.strip().lower()]
        found = found or [project for project in projects if project["name"] == name]
        if len(found) != 1:
            known = ", ".join(f"{project['name']!r} ({project['id']})" for project in projects[:20]) or "none"
            reason = "there is no project" if not found else f"{len(found)} projects are named"
            raise LookupError(f"{reason} {name[:100]!r}; the resource has: {known}")
        yield found[0]


def _replaced(before: dict[str, Any] | None, now: dict[str, Any]) -> list[str]:
    """Iterations that are gone, or were trained since."""
    if before is None:
        return []

    def trained(state: dict[str, Any]) -> dict[str, Any]:
        return {item["id"]: (item["status"], item.get("trainedAt")) for item in state["iterations"]}

    current = trained(now)
    return [one for one, state in trained(before).items() if current.get(one) != state]
