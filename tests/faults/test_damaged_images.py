"""Real trainings on image files that were damaged after their upload."""

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from tests.support.damage import change_blob, flip_a_bit
from tests.support.harness import Service
from tests.support.images import picture, pictures

DETECTION = "da2e3a8a-40a5-4171-82f4-58522f70fbc1"
ADVANCED = {"trainingType": "Advanced", "reservedBudgetInHours": "1"}


class HereAndNow:
    """A worker that runs jobs in this process."""

    def warm_up(self) -> None:
        pass

    def submit(self, fn: Callable[..., Any], /, *args: Any, on_progress: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs, progress=on_progress))
        except Exception as error:  # noqa: BLE001 - as an executor does
            future.set_exception(error)
        return future


def with_regions(service: Service) -> str:
    project = service.project(domainId=DETECTION)
    tag = service.tag(project, "thing")
    ids = service.images(project, pictures(15))
    box = {"tagId": tag, "left": 0.1, "top": 0.1, "width": 0.5, "height": 0.5}
    service.post(f"{project}/images/regions", json={"regions": [{"imageId": one, **box} for one in ids]})
    return project


def files(service: Service) -> list[Path]:
    return sorted(path for path in Path(service.settings.data, "blobs").rglob("*") if path.is_file())


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def show_something_else(path: Path) -> None:
    path.write_bytes(picture(99, "green"))


@pytest.mark.parametrize("damage", [cut_off, flip_a_bit, show_something_else])
@pytest.mark.parametrize("detects", [False, True], ids=["classifier", "detector"])
def test_a_training_names_the_damaged_images(
    service: Service, caplog: pytest.LogCaptureFixture, detects: bool, damage: Callable[[Path], None]
) -> None:
    project = with_regions(service) if detects else service.trainable()[0]
    damaged = files(service)[3:5]
    marks = ",".join(f"'{path.name}'" for path in damaged)
    ids = sorted(row[0] for row in service.rows(f"SELECT id FROM image WHERE blob IN ({marks})"))
    originals = [path.read_bytes() for path in damaged]
    for path in damaged:
        change_blob(service.settings.data, path.name, damage)
    service.context.worker = HereAndNow()
    iteration = service.get(service.train(project))
    assert iteration["status"] == "Failed"
    reason = iteration["trainingErrorDetails"]
    assert reason.startswith(f"The stored bytes of images {ids[0]}, {ids[1]} are damaged")
    errors = [entry.getMessage() for entry in caplog.records if entry.levelname == "ERROR"]
    assert len(errors) == 1
    assert reason in errors[0]
    # As the reason says, uploading the originals again repairs them.
    assert {item["status"] for item in service.upload(project, originals)} == {"OKDuplicate"}
    assert [path.read_bytes() for path in damaged] == originals


def test_a_training_without_images_whose_files_are_gone_is_logged(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    project, red, _ = service.trainable()
    (image,) = service.images(project, [picture(50)], red)
    ((blob,),) = service.rows(f"SELECT blob FROM image WHERE id = '{image}'")
    change_blob(service.settings.data, blob, Path.unlink)
    service.context.worker = HereAndNow()
    assert service.get(service.train(project))["status"] == "Completed"
    (message,) = [entry.getMessage() for entry in caplog.records if entry.levelname == "ERROR"]
    assert message.endswith(f"without images whose files are gone or cannot be decoded: {image}")


@pytest.mark.parametrize("detects", [False, True], ids=["classifier", "detector"])
@pytest.mark.parametrize("parameters", [{}, ADVANCED], ids=["quick", "advanced"])
def test_a_set_of_which_every_file_is_gone(
    service: Service, parameters: dict[str, str], detects: bool
) -> None:
    project = with_regions(service) if detects else service.trainable()[0]
    for path in files(service):
        change_blob(service.settings.data, path.name, Path.unlink)
    service.context.worker = service.context.advanced_worker = HereAndNow()
    iteration = service.get(service.train(project, params=parameters))
    assert iteration["status"] == "Failed"
    assert iteration["trainingErrorDetails"] == (
        "None of the images could be read: their files are damaged or gone. Delete the images, upload "
        "them again and train again."
    )
    assert service.blobs() == set()
