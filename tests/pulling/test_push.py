"""Pushes into an emulator that refuses calls and loses responses."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from emulator.core.pulled.archive import PullArchive
from emulator.pulling.project import ProjectPull
from emulator.pulling.push import Push
from emulator.pulling.service import Endpoint, PullFailed, Service
from emulator.pulling.throttle import Throttle
from emulator.testing import EmulatorServer
from tests.support.cloud import DETECTION, KEY, Cloud, guid

PushInto = Callable[..., Push]


@pytest.fixture(scope="module")
def server() -> Iterator[EmulatorServer]:
    with EmulatorServer() as started:
        yield started


@pytest.fixture
def target(server: EmulatorServer) -> Iterator[EmulatorServer]:
    yield server
    server.control.reset()


def client_of(endpoint: str, key: str) -> Service:
    return Service(Endpoint.parse(endpoint), key, Throttle(1000), attempts=8, sleep=lambda seconds: None)


@pytest.fixture(scope="module")
def pulled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of a project of 70 images, every seventh with 2 tags and 2 regions."""
    with Cloud(0, DETECTION) as cloud:
        cloud.tags[1]["description"] = "sea"
        for number in range(70):
            regions = [
                {
                    "regionId": guid(5000 + 2 * number + index),
                    "tagId": guid(100 + index),
                    "tagName": "x",
                    "created": "2020-11-06T16:17:00",
                    "left": 0.125 * index,
                    "top": 0.25,
                    "width": 0.5,
                    "height": 0.1234567,
                }
                for index in range(2)
            ]
            tags = [
                {"tagId": guid(100 + index), "tagName": "x", "created": "2020-11-06T16:17:00"}
                for index in range(2)
            ]
            marked = number % 7 == 0
            metadata = {"shift": "night"} if number % 5 == 0 else {}
            cloud.add(
                number, tags=tags if marked else [], regions=regions if marked else [], metadata=metadata
            )
        folder = tmp_path_factory.mktemp("pulled") / "archive"
        opened = PullArchive(folder)
        client = client_of(cloud.endpoint, KEY)
        ProjectPull(client, opened, cloud.id).run()
        client.close()
        opened.close()
    return folder


@pytest.fixture
def archive(pulled: Path, tmp_path: Path) -> Iterator[PullArchive]:
    opened = PullArchive(shutil.copytree(pulled, tmp_path / "archive"))
    yield opened
    opened.close()


@pytest.fixture
def push(target: EmulatorServer, archive: PullArchive) -> Iterator[PushInto]:
    client = client_of(target.endpoint, target.training_key)
    yield lambda name=None: Push(client, archive, name)
    client.close()


def shown(image: Any, ids: dict[str, dict[str, str]]) -> tuple[Any, ...]:
    """What a push keeps of an image, by the ids of the archive."""
    back = {there: here for kind in ids.values() for here, there in kind.items()}
    return (
        back[image.id],
        image.metadata or {},
        sorted(
            (back[region.tag_id], region.left, region.top, region.width, region.height)
            for region in image.regions or ()
        ),
    )


def check(target: EmulatorServer, archive: PullArchive, pushed: Push, project_id: str) -> None:
    """The project at the target is that of the archive, once."""
    assert pushed.failures == []
    ids = pushed.mapping()
    with target.training_client() as client:
        assert len(client.get_projects()) == 1
        images = client.get_images(project_id, take=256)
        tags = {tag.name: (tag.description, tag.image_count) for tag in client.get_tags(project_id)}
    assert tags == {"red": (None, 10), "blue": ("sea", 10)}
    found = sorted(shown(image, ids) for image in images)
    assert found == sorted(
        (
            image["id"],
            image.get("metadata") or {},
            sorted(
                (region["tagId"], region["left"], region["top"], region["width"], region["height"])
                for region in image["regions"]
            ),
        )
        for image in archive.listed("")
    )
    assert (len(ids["image"]), len(ids["region"]), len(ids["tag"])) == (70, 20, 2)


def test_a_project_is_pushed_with_regions_and_metadata_in_batches(
    target: EmulatorServer, archive: PullArchive, push: PushInto
) -> None:
    target.control.requests.clear()
    pushed = push()
    check(target, archive, pushed, pushed.run())
    assert target.control.requests.count(operation="CreateImagesFromFiles") == 2
    assert target.control.requests.count(operation="CreateImageRegions") == 1


def test_lost_responses_and_refusals_create_nothing_twice(
    target: EmulatorServer, archive: PullArchive, push: PushInto
) -> None:
    lost = {"kind": "close", "afterDone": True}
    for operation in ("CreateProject", "CreateTag", "CreateImagesFromFiles", "CreateImageRegions"):
        target.control.faults.add(operation, {"kind": "throttle", "retryAfter": 0}, lost)
    pushed = push()
    check(target, archive, pushed, pushed.run())
    assert target.control.faults.all_used()


@pytest.mark.parametrize(
    "operation", ["CreateProject", "CreateTag", "CreateImagesFromFiles", "CreateImageRegions"]
)
def test_a_push_that_ended_early_goes_on(
    target: EmulatorServer, archive: PullArchive, push: PushInto, operation: str
) -> None:
    target.control.faults.add(operation, {"kind": "pass"}, {"kind": "status", "status": 503, "times": 8})
    first = push()
    if operation in ("CreateProject", "CreateImageRegions"):  # they are sent once
        target.control.faults.clear()
        target.control.faults.add(operation, {"kind": "close", "afterDone": True, "times": 8})
    with suppress(PullFailed):
        first.run()
    target.control.faults.clear()
    second = push()
    check(target, archive, second, second.run())


def test_a_push_under_another_name_is_another_project(target: EmulatorServer, push: PushInto) -> None:
    first, second = push().run(), push("again").run()
    assert first != second
    with target.training_client() as client:
        assert {project.name for project in client.get_projects()} == {"cloud", "again"}


def test_what_the_resource_refuses_is_named(target: EmulatorServer, push: PushInto) -> None:
    refused = {"sourceUrl": "x", "status": "ErrorImageSize", "image": None}
    content = json.dumps({"isBatchSuccessful": False, "images": [refused]})
    step = {"kind": "status", "body": "raw", "status": 207, "content": content, "times": 3}
    target.control.faults.add("CreateImagesFromFiles", step)
    pushed = push()
    pushed.run()
    assert pushed.failures[0] == "image x: ErrorImageSize"
    assert "there are 0 images, and 70 in the archive" in pushed.failures
