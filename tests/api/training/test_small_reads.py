"""Small reads need no thread of the server where the rows are in the data folder."""

import threading
from typing import Any

import pytest

from tests.support.chosen_store import is_postgresql
from tests.support.harness import Service

READS = ["", "/tags", "/tags/{tag}", "/iterations", "/images/count", "/images/tagged/count"]


@pytest.mark.skipif(is_postgresql(), reason="rows on a server are read in a thread")
@pytest.mark.parametrize("read", READS)
def test_a_small_read_has_a_response_while_all_threads_are_busy(
    service: Service, read: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = service.project()
    path = project + read.format(tag=service.tag(project, "x"))
    expected = service.get(path)

    def refuse(*_arguments: Any, **_options: Any) -> None:
        raise AssertionError("a thread was asked for")

    monkeypatch.setattr("emulator.api.routing.in_thread", refuse)
    assert service.get(path) == expected


@pytest.mark.skipif(is_postgresql(), reason="rows on a server are read in a thread")
def test_an_iteration_is_read_in_a_thread_where_an_instant_training_may_be_waited_for(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, _, _ = service.trainable()
    iteration = service.train(project)
    used: list[str] = []

    async def note(_request: Any, respond: Any, *arguments: Any, **_options: Any) -> Any:
        used.append("thread")
        return respond(*arguments)

    monkeypatch.setattr("emulator.api.routing.in_thread", note)
    expected = service.get(iteration)
    assert used == []
    service.context.trainers.choose(project.rpartition("/")[2], "instant")
    assert service.get(iteration) == expected
    assert used == ["thread"]


def test_a_read_with_parameters_has_a_thread(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    project = service.project()
    tag = service.tag(project, "x")
    seen: list[str] = []

    def note(*_arguments: Any, **_options: Any) -> int:
        seen.append(threading.current_thread().name)
        return 0

    monkeypatch.setattr("emulator.core.images.listing.count", note)
    service.get(f"{project}/images/count", params={"tagIds": tag})
    assert seen[0].startswith("requests")


@pytest.mark.skipif(is_postgresql(), reason="rows on a server are read in a thread")
def test_a_long_list_of_projects_is_made_in_a_thread(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        service.project()
    used: list[str] = []

    async def note(_request: Any, respond: Any, *arguments: Any, **_options: Any) -> Any:
        used.append("thread")
        return respond(*arguments)

    monkeypatch.setattr("emulator.api.routing.in_thread", note)
    expected = service.get("/projects")
    assert used == []
    monkeypatch.setattr("emulator.core.projects.manage._FEW", 1)
    assert service.get("/projects") == expected
    assert used == ["thread"]
