"""Predictions that are stored at the same time share a commit; an error of one is not that of others."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from emulator.core.new_prediction import NewPrediction
from emulator.core.predictions import predict, storing
from emulator.store.database import StorageFull
from tests.support.chosen_store import is_postgresql
from tests.support.harness import NOWHERE, PATIENCE_SECONDS, Service, wait_until
from tests.support.images import picture
from tests.support.predicting import Predicted, found

CLIENTS = 8
# It begins as an image does.
NO_IMAGE = picture()[:100]
ONLY_FILES = pytest.mark.skipif(is_postgresql(), reason="the commits of SQLite are counted")


def new(predicted: Predicted, number: int, **values: Any) -> tuple[NewPrediction, bytes]:
    service = predicted.service
    prediction = NewPrediction(
        id=service.context.ids.new(),
        project_id=predicted.project.rpartition("/")[2],
        iteration_id=predicted.iteration.rpartition("/")[2],
        created=service.clock.now(),
        blob="",
        predictions=[],
    )
    return prediction._replace(**values), picture(number)


def store(service: Service, prediction: NewPrediction, image: bytes) -> None:
    storing.NewImage(service.context, image).store(prediction)


def store_together(service: Service, news: list[tuple[NewPrediction, bytes]]) -> list[BaseException | None]:
    """Store predictions whose threads all wait for another writer; returns their errors."""
    context = service.context
    # One thread has the turn and waits for the writer, the others for their turn.
    with ThreadPoolExecutor(len(news)) as threads:
        with context.database.exclusively():
            jobs = [threads.submit(store, service, *one) for one in news]
            wait_until(lambda: len(context.new_predictions) == len(news) - 1, "the queue")
        return [job.exception(PATIENCE_SECONDS) for job in jobs]


def commits(service: Service) -> int:
    return int(service.rows("PRAGMA user_version")[0][0])


@ONLY_FILES
def test_predictions_of_many_clients_share_commits(predicted: Predicted) -> None:
    service = predicted.service
    before = commits(service)
    news = [new(predicted, number) for number in range(CLIENTS)]
    assert store_together(service, news) == [None] * CLIENTS
    assert commits(service) - before == 2
    assert set(found(service, predicted.project)) == {one.id for one, _ in news}
    assert service.blobs() == service.referenced_blobs()


def test_each_prediction_of_a_group_is_found_by_its_scores(predicted: Predicted) -> None:
    service, tag = predicted.service, predicted.red
    found(service, predicted.project, tags=[{"id": tag, "minThreshold": 0, "maxThreshold": 1}])
    news = [
        new(
            predicted,
            number,
            predictions=[{"tagId": tag, "tagName": "red", "tagType": "Regular", "probability": p}],
        )
        for number, p in enumerate((0.1, 0.5, 0.9))
    ]
    assert store_together(service, news) == [None] * 3
    wanted = [{"id": tag, "minThreshold": 0.4, "maxThreshold": 0.6}]
    assert found(service, predicted.project, tags=wanted) == [news[1][0].id]


def test_a_prediction_that_cannot_be_stored_does_not_keep_others_from_it(predicted: Predicted) -> None:
    service = predicted.service
    predicted.predict()
    (taken,) = found(service, predicted.project)
    news = [new(predicted, 1), new(predicted, 2, id=taken), new(predicted, 3)]
    errors = store_together(service, news)
    assert [error is None for error in errors] == [True, False, True]
    assert set(found(service, predicted.project)) == {news[0][0].id, taken, news[2][0].id}


def test_a_prediction_of_an_iteration_that_is_gone_is_not_stored(predicted: Predicted) -> None:
    service = predicted.service
    news = [new(predicted, 1, iteration_id=NOWHERE), new(predicted, 2)]
    assert store_together(service, news) == [None, None]
    assert found(service, predicted.project) == [news[1][0].id]
    assert service.blobs() == service.referenced_blobs()


def test_a_stored_prediction_leaves_what_is_published_in_memory(
    predicted: Predicted, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = predicted.service
    predicted.predict()
    reads = []
    read = service.context.database.read

    def counted() -> Any:
        reads.append(threading.current_thread().name)
        return read()

    monkeypatch.setattr(service.context.database, "read", counted)
    predicted.predict()
    assert reads == []


def test_images_of_expired_predictions_are_deleted_when_a_prediction_fails(
    predicted: Predicted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that writes a group deletes what the transactions of others have dropped."""
    context = predicted.service.context
    dropped = context.blobs.put(b"the image of a prediction that has expired")

    def fails(_item: object, write: Any, _most: int) -> None:
        write.args[1].add(dropped)
        raise ValueError

    monkeypatch.setattr(context.new_predictions, "write", fails)
    with pytest.raises(ValueError):
        store(predicted.service, *new(predicted, 1))
    assert not context.blobs.exists(dropped)


def test_the_image_of_a_prediction_is_written_while_it_is_scored(
    predicted: Predicted, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs, score = predicted.service.context.blobs, predict.probabilities_of
    is_written = threading.Event()
    put = blobs.put

    def noted(data: bytes) -> str:
        name = put(data)
        is_written.set()
        return name

    def score_when_written(*arguments: Any) -> Any:
        assert is_written.wait(PATIENCE_SECONDS)
        return score(*arguments)

    monkeypatch.setattr(blobs, "put", noted)
    monkeypatch.setattr(predict, "probabilities_of", score_when_written)
    prediction = predicted.predict()
    assert found(predicted.service, predicted.project) == [prediction]


def test_nothing_is_left_of_an_image_that_is_rejected(predicted: Predicted) -> None:
    service = predicted.service
    for data in (b"not an image", NO_IMAGE):
        assert service.predict(predicted.address, data).status_code == 400
        wait_until(lambda: service.blobs() == service.referenced_blobs(), "the removal")


def test_bytes_that_are_no_image_are_not_written(
    predicted: Predicted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither is the removal, a write transaction, needed."""
    written: list[bytes] = []
    monkeypatch.setattr(predicted.service.context.blobs, "put", written.append)
    assert predicted.service.predict(predicted.address, b"not an image").status_code == 400
    assert written == []


def test_the_refusal_of_an_image_does_not_wait_for_its_removal(
    predicted: Predicted, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A removal that fails is that of the next start, and the refusal remains the answer."""
    may_fail = threading.Event()

    def fails(_context: object, names: set[str]) -> None:
        if names:  # those of other predictions
            assert may_fail.wait(PATIENCE_SECONDS)
            raise OSError("no such device")

    monkeypatch.setattr(storing, "sweep_blobs", fails)
    service = predicted.service
    assert service.predict(predicted.address, NO_IMAGE).status_code == 400
    may_fail.set()
    wait_until(lambda: "was not removed: no such device" in caplog.text, "the message")
    mark = service.settings.data / "unclean"
    mark.touch()  # as the start does
    service.restart()
    assert mark.exists()  # so the next start looks for files without a row
    monkeypatch.undo()
    assert service.predict(predicted.address, NO_IMAGE).status_code == 400
    wait_until(lambda: not service.context.removals, "the removal")
    service.restart()
    assert not mark.exists()


def test_a_prediction_is_answered_when_its_image_finds_a_full_disk(
    predicted: Predicted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_data: bytes) -> str:
        raise StorageFull("full")

    monkeypatch.setattr(predicted.service.context.blobs, "put", full)
    predicted.predict()
    assert found(predicted.service, predicted.project) == []
