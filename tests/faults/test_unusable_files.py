"""Files of the data folder that the system does not let the program read or write."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from emulator.app import create_app
from emulator.core import blob_sweep
from emulator.settings import StartRefused
from emulator.store import blobs
from tests.support.damage import assert_error_logged
from tests.support.harness import Service, refusal, running_service, test_settings
from tests.support.images import picture
from tests.support.predicting import Predicted


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EIO])
def test_requests_that_need_one(
    service: Service, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The response has the reason, the log the name of the file, in one line."""
    predicted = Predicted(service)

    def fail(path: Path, _content: bytes, **_options: Any) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(blobs, "write_atomically", fail)
    status, code, message = refusal(service.predict(predicted.address, picture(7)))
    assert (status, code) == (500, "ErrorUnknown")
    assert os.strerror(number) in message
    assert str(service.settings.data) not in message
    assert_error_logged(caplog, str(service.settings.data))


def test_the_sweep_of_a_start(
    service: Service, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.context.blobs.put(b"without a row")

    def fail(*_arguments: Any) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", "trash")

    monkeypatch.setattr(service.context.blobs, "move_to_trash", fail)
    blob_sweep._clean_up(service.context, is_unclean=True)
    (line,) = caplog.messages
    assert line.endswith("cannot be cleaned up: [Errno 13] Permission denied: 'trash'")


@pytest.mark.sqlite
def test_a_database_that_cannot_be_written_is_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for service in running_service(tmp_path):
        service.project()
    # For root, a file without permissions is writable.
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    with pytest.raises(StartRefused, match=r"emulator\.sqlite cannot be written; change its permissions$"):
        create_app(test_settings(tmp_path))


def test_an_upload_after_the_data_folder_was_moved(
    service: Service, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Before, the image was stored in a new folder, and its row in the one that was moved."""
    project = service.project()
    folder = service.settings.data
    folder.rename(tmp_path / "moved")
    (item,) = service.upload(project, [picture()])
    assert item["status"] == "ErrorStorage"
    assert not folder.exists()
    assert "the data folder is gone" in caplog.text
    assert "Traceback" not in caplog.text
    (tmp_path / "moved").rename(folder)
    (item,) = service.upload(project, [picture()])
    assert item["status"] == "OK"
