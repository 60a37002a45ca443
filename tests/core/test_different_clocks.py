"""Two servers of one database whose clocks differ by minutes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.store.tables import JobKind
from tests.support.harness import expect
from tests.support.images import picture, pictures
from tests.support.predicting import pages
from tests.support.several import Servers, running_servers

MINUTES = 10


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    """A server, and another one whose clock is ahead of it."""
    for both in running_servers(tmp_path):
        both.second.clock.advance(minutes=MINUTES)
        yield both


@pytest.mark.parametrize("executing", [0, 1])
def test_a_training_is_executed_once_and_shown_by_both(servers: Servers, executing: int) -> None:
    first, other = servers[executing], servers[1 - executing]
    project, _, _ = first.trainable()
    iteration = other.post(f"{project}/train", params={"forceTrain": "true"})["id"]
    claimed = first.runner(JobKind.TRAINING).claim()
    assert claimed is not None
    assert other.runner(JobKind.TRAINING).claim() is None
    for one in servers:
        (job,) = expect(one.request("GET", "/_emulator/jobs"))["jobs"]
        assert job["status"] == "Running"
    first.runner(JobKind.TRAINING)._execute(*claimed)
    for one in servers:
        assert one.get(f"{project}/iterations/{iteration}")["status"] == "Completed"
        (job,) = expect(one.request("GET", "/_emulator/jobs"))["jobs"]
        assert job["status"] == "Completed"


@pytest.mark.parametrize("uploading", [0, 1])
def test_the_uri_of_an_image_from_one_is_valid_at_the_other(servers: Servers, uploading: int) -> None:
    one, other = servers[uploading], servers[1 - uploading]
    project = one.project()
    one.images(project, pictures(1))
    (image,) = one.get(f"{project}/images")
    assert other.follow(image["originalImageUri"]).status_code == 200
    one.delete(f"{project}/images", params={"imageIds": image["id"]})
    assert other.get(f"{project}/images") == []


def test_stored_predictions_of_both_have_one_order_on_all_pages(servers: Servers) -> None:
    behind, ahead = servers
    project, _, _ = ahead.trainable()
    address = ahead.publish(ahead.train(project))
    made: dict[str, str] = {}
    for number in range(6):
        for one in servers:
            one.clock.advance(seconds=1)
        prediction = expect(servers[1 - number % 2].predict(address, picture(number)))
        made[prediction["id"]] = prediction["created"]
    newest = sorted(made, key=lambda one: made[one], reverse=True)
    for order, expected in (("Newest", newest), ("Oldest", newest[::-1])):
        for one in (ahead, behind):
            listed = pages(one, project, orderBy=order, maxCount=2)
            assert [found for page in listed for found in page] == expected
