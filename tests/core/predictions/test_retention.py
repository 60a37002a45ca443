"""Retention of stored predictions by age, number and free disk space; uploads to a nearly full disk."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from emulator.core.scored_rows import expiry
from tests.support.exported_models import classifier_zip
from tests.support.harness import Service, expect, files_body, refusal, running_service
from tests.support.images import picture
from tests.support.predicting import Predicted, found


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    yield from running_service(tmp_path / "data", prediction_days=2, most_predictions=5, least_free_mb=1000)


@pytest.fixture
def low(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The disk; its `free` bytes can be set."""
    disk = SimpleNamespace(free=2000 * 2**20, total=10**12)
    monkeypatch.setattr("shutil.disk_usage", lambda _path: disk)
    yield disk


def stored(service: Service) -> int:
    return int(service.rows("SELECT count(*) FROM stored_prediction")[0][0])


def test_predictions_expire_after_the_days_of_the_option(predicted: Predicted) -> None:
    service = predicted.service
    predicted.predict()
    service.clock.advance(days=1, hours=23)
    last = predicted.predict()
    assert len(found(service, predicted.project)) == 2
    service.clock.advance(hours=2)
    assert found(service, predicted.project) == [last]
    info = expect(service.request("GET", "/_emulator/info"))
    assert info["storedPredictionDays"] == 2
    predicted.predict()
    assert stored(service) == 2
    assert service.blobs() == service.referenced_blobs()


def test_suggestions_keep_their_thirty_days(service: Service) -> None:
    difference = expiry.oldest_kept(service.context) - expiry.oldest_kept_suggestion(service.context)
    assert round(difference.total_seconds() / 86400) == 28


def test_the_oldest_predictions_beyond_the_number_are_deleted(predicted: Predicted) -> None:
    service = predicted.service
    ids = [predicted.predict() for _ in range(12)]
    assert found(service, predicted.project) == ids[:-6:-1]
    assert service.blobs() == service.referenced_blobs()


def test_the_number_is_right_after_deletions_a_restart_and_a_reset(predicted: Predicted) -> None:
    service = predicted.service
    ids = [predicted.predict() for _ in range(5)]
    service.delete(f"{predicted.project}/predictions", params={"ids": ids[3]})
    sixth = predicted.predict()
    assert found(service, predicted.project) == [sixth, ids[4], *ids[2::-1]]
    service.restart()
    seventh = predicted.predict()
    assert found(service, predicted.project) == [seventh, sixth, ids[4], ids[2], ids[1]]
    assert service.request("POST", "/_emulator/reset").status_code == 204
    again = Predicted(service)
    kept = [again.predict() for _ in range(5)]
    assert found(service, again.project) == kept[::-1]


def test_another_project_that_is_deleted_makes_room(service: Service) -> None:
    first, second = Predicted(service), Predicted(service, name="second")
    for _ in range(4):
        first.predict()
    kept = [second.predict()]
    service.delete(first.iteration + "/publish")
    service.delete(first.project)
    kept += [second.predict() for _ in range(4)]
    assert found(service, second.project) == kept[::-1]


def test_uploads_are_refused_before_the_disk_is_full_while_predictions_go_on(
    predicted: Predicted, low: SimpleNamespace
) -> None:
    service = predicted.service
    before = (service.get(f"{predicted.project}/images/count"), service.blobs())
    low.free = 999 * 2**20
    requests = [
        service.send(
            "POST", f"{predicted.project}/images/files", json=files_body([picture(500), picture(501)])
        ),
        service.request("POST", "/_emulator/models?project=other", content=classifier_zip()),
        service.request("PUT", "/_emulator/snapshots/base/archive", content=b"archive"),
    ]
    for response in requests:
        status, code, message = refusal(response)
        assert (status, code) == (507, "ErrorUnknown")
        assert "999" not in message
        assert "less than 1000 MB left (--least-free-mb)" in message
    assert (service.get(f"{predicted.project}/images/count"), service.blobs()) == before
    answer = service.predict(predicted.address, picture(7), "/image/nostore")
    assert len(expect(answer)["predictions"]) == 2
    low.free = 1000 * 2**20
    assert service.upload(predicted.project, [picture(500), picture(501)])[0]["status"] == "OK"


def test_with_little_free_space_the_oldest_predictions_give_room_to_new_ones(
    predicted: Predicted, low: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    service = predicted.service
    for _ in range(4):
        predicted.predict()
    images = service.get(f"{predicted.project}/images/count")
    low.free = 0
    last = predicted.predict()
    assert found(service, predicted.project) == [last]
    assert service.get(f"{predicted.project}/images/count") == images
    assert service.blobs() == service.referenced_blobs()
    service.delete(f"{predicted.project}/predictions", params={"ids": last})
    assert not caplog.records
    predicted.predict()
    assert stored(service) == 0
    assert "was not stored" in caplog.text


def test_a_disk_out_of_reach_is_not_taken_for_a_full_one(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_path: Path) -> None:
        raise OSError("gone")

    monkeypatch.setattr("shutil.disk_usage", gone)
    assert service.context.disk.is_low() is False
