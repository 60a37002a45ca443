"""What the emulator says about itself."""

import os
from pathlib import Path

import pytest

from emulator import __version__
from emulator.core.rules.tiers import TIERS
from emulator.core.status.information import FolderSize
from emulator.settings import Settings
from tests.support.harness import PREDICTION_KEY, RESOURCE_ID, Service, expect
from tests.support.images import pictures


def test_it_describes_the_emulator(service: Service) -> None:
    info = expect(service.request("GET", "/_emulator/info"))
    assert info["version"] == __version__
    assert info["endpoint"] == "http://emulator.localhost"
    assert info["predictionResourceId"] == RESOURCE_ID
    assert (info["dataFolder"], info["ephemeral"]) == (str(service.settings.data), False)
    assert info["usesWellKnownKeys"] is True
    assert info["uptimeSeconds"] >= 0
    assert info["diskFreeBytes"] > 0
    assert info["dataBytes"] > 0
    assert (info["trainer"], info["trainingHourSeconds"]) == ("real", 3600)
    assert info["clock"]["frozen"] is False
    if Path("/proc/self/status").exists():
        assert info["memoryBytes"] > 1_000_000


def test_it_counts(service: Service) -> None:
    project, _, _ = service.trainable(domainId="0732100f-1a38-4e49-a514-c9b44c697ab5")
    service.images(project, pictures(3, "green"))
    iteration = service.train(project)
    service.export(iteration, "ONNX")
    address = service.publish(iteration)
    service.predict(address, pictures(1, "red")[0])
    counts = expect(service.request("GET", "/_emulator/info"))["counts"]
    assert counts == {
        "projects": 1,
        "images": 13,
        "tags": 2,
        "iterations": 1,
        "publishedIterations": 1,
        "exports": 1,
        "storedPredictions": 1,
    }


def test_use_is_that_of_the_largest_project(service: Service) -> None:
    service.context.tier = TIERS["f0"]
    project, _, _ = service.trainable()
    service.project("small")
    service.publish(service.train(project))
    tier = expect(service.request("GET", "/_emulator/info"))["tier"]
    assert tier["name"] == "F0"
    assert tier["limits"]["projects"] == 2
    assert tier["use"] == {
        "projects": 2,
        "imagesPerProject": 10,
        "tagsPerProject": 2,
        "iterationsPerProject": 1,
        "predictionsPerMonth": 0,
    }
    assert tier["callsPerSecond"]["training"] == 2


def test_an_unlimited_tier_has_no_limits(service: Service) -> None:
    tier = expect(service.request("GET", "/_emulator/info"))["tier"]
    assert set(tier["limits"].values()) == {None}
    assert (tier["use"]["predictionsPerMonth"], tier["callsPerSecond"]) == (None, {})


def test_keys_need_a_key_and_are_not_cached(service: Service) -> None:
    response = service.request("GET", "/_emulator/keys")
    settings = Settings()
    assert expect(response) == {
        "trainingKeys": list(settings.training_keys),
        "predictionKeys": list(settings.prediction_keys),
    }
    assert response.headers["cache-control"] == "no-store"
    for path in ("/_emulator/keys", "/_emulator/info", "/_emulator/jobs"):
        assert service.request("GET", path, key=None).status_code == 401
        assert service.request("GET", path, key=PREDICTION_KEY).status_code == 401


def test_the_size_of_a_folder_is_measured_once_a_minute(tmp_path: Path) -> None:
    time = [0.0]
    size = FolderSize(tmp_path, lambda: time[0])
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "a").write_bytes(b"123")
    assert size.bytes == 3
    (tmp_path / "b").write_bytes(b"4567")
    assert size.bytes == 3
    time[0] = 61.0
    assert size.bytes == 7


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need privileges")
def test_a_folder_with_a_link_to_itself_has_a_size(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"123")
    (tmp_path / "self").symlink_to(tmp_path, target_is_directory=True)
    assert FolderSize(tmp_path).bytes >= 3
