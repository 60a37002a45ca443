"""The cache of published iterations, valid until the next write."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlmodel import Session

from emulator.core.errors import ServiceError
from emulator.core.predictions import predict as predictions
from emulator.store.tables import Iteration
from tests.support.harness import RESOURCE_ID, Service


class Published:
    """A project with a published iteration, and the number of look-ups in the database."""

    def __init__(self, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        self.service = service
        self.path, _, _ = service.trainable()
        self.id = self.path.rpartition("/")[2]
        self.iteration = service.train(self.path)
        service.publish(self.iteration, "a name")
        self.reads = 0
        database = service.context.database
        read = database.read

        @contextmanager
        def counted() -> Iterator[Session]:
            self.reads += 1
            with read() as session:
                yield session

        monkeypatch.setattr(database, "read", counted)

    def find(self, name: str = "a name", type: str = "Classification") -> Iteration:
        return predictions.published(self.service.context, self.id, name, type).iteration


@pytest.fixture
def published(service: Service, monkeypatch: pytest.MonkeyPatch) -> Published:
    return Published(service, monkeypatch)


def refusal_of(published: Published, name: str = "a name", type: str = "Classification") -> str:
    with pytest.raises(ServiceError) as refused:
        published.find(name, type)
    return refused.value.code


def test_it_is_looked_up_once(published: Published) -> None:
    found = published.find()
    assert found.id == published.iteration.rpartition("/")[2]
    assert published.find() is found
    assert published.reads == 1


def test_it_is_looked_up_again_after_any_write(published: Published) -> None:
    published.find()
    published.service.project("another")
    before = published.reads
    published.find()
    assert published.reads == before + 1


def test_a_name_that_was_withdrawn(published: Published) -> None:
    published.find()
    published.service.delete(f"{published.iteration}/publish")
    assert refusal_of(published) == "NotFoundIteration"


def test_a_name_that_another_iteration_took(published: Published) -> None:
    published.find()
    newer = published.service.train(published.path, params={"forceTrain": "true"})
    parameters = {"publishName": "a name", "predictionId": RESOURCE_ID, "overwrite": "true"}
    published.service.post(f"{newer}/publish", params=parameters)
    assert published.find().id == newer.rpartition("/")[2]


def test_a_project_that_is_forgotten_with_everything(published: Published) -> None:
    published.find()
    published.service.send_unvalidated("POST", "/_emulator/reset")
    assert refusal_of(published) == "NotFoundProject"


def test_refusals_are_not_cached(published: Published) -> None:
    assert refusal_of(published, "another name") == "NotFoundIteration"
    assert refusal_of(published, type="ObjectDetection") == "BadRequestNotSupported"
    published.find()
    # Each type of domain has its own entry.
    assert refusal_of(published, type="ObjectDetection") == "BadRequestNotSupported"


def test_data_that_was_read_during_a_write_is_not_cached(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = published.service.context.database
    read = database.read

    @contextmanager
    def overtaken() -> Iterator[Session]:
        with read() as session:
            session.connection()
            yield session
        # Committed after the read began, so the data may be outdated.
        with database.write():
            pass

    with monkeypatch.context() as patch:
        patch.setattr(database, "read", overtaken)
        published.find()
    before = published.reads
    published.find()
    assert published.reads == before + 1


def test_only_some_are_remembered(published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulator.core.caches.published._KEPT", 2)
    for name in ("b", "c"):
        newer = published.service.train(published.path, params={"forceTrain": "true"})
        published.service.publish(newer, name)
    ids = [published.find(name).id for name in ("a name", "b", "c")]
    assert len(published.service.context.published) <= 2
    assert [published.find(name).id for name in ("a name", "b", "c")] == ids
