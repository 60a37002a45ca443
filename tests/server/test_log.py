"""The log of the server process: JSON with ids of requests and without keys, files that are rotated."""

from __future__ import annotations

import errno
import json
import logging
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulator.gateway import log_context
from emulator.server.log import JsonFormatter, configure_log
from emulator.settings import Settings, StartRefused
from tests.conftest import Serve
from tests.support.harness import TRAINING_KEY


def record(message: str, *arguments: Any, **more: Any) -> logging.LogRecord:
    made = logging.LogRecord("a.logger", logging.INFO, "file", 1, message, arguments, None)
    made.__dict__.update(more)
    return made


def formatted(made: logging.LogRecord) -> dict[str, Any]:
    text = JsonFormatter(("the-key",)).format(made)
    assert "\n" not in text
    entry: dict[str, Any] = json.loads(text)
    return entry


@contextmanager
def root_with(settings: Settings) -> Iterator[logging.Logger]:
    """The root logger with the handlers of the settings alone."""
    logger = logging.getLogger()
    before, level = logger.handlers[:], logger.level
    logger.handlers.clear()
    try:
        configure_log(settings)
        yield logger
    finally:
        for handler in logger.handlers:
            handler.close()
        logger.handlers[:], logger.level = before, level


def test_an_entry_has_time_level_logger_and_message() -> None:
    entry = formatted(record("line %s\nnext", 1, created=0.5))
    assert entry == {
        "time": "1970-01-01T00:00:00.500+00:00",
        "level": "info",
        "logger": "a.logger",
        "message": "line 1\nnext",
    }


def test_an_entry_has_the_request_its_fields_and_the_exception_without_keys() -> None:
    log_context.enter({"request_id": "the-id"})
    try:
        raise ValueError("with the-key inside")
    except ValueError:
        made = record("with the-key", fields={"status": 200, "code": None}, exc_info=sys.exc_info())
    try:
        entry = formatted(made)
    finally:
        log_context.leave()
    assert (entry["requestId"], entry["status"]) == ("the-id", 200)
    assert "code" not in entry
    assert "ValueError: with ***" in entry["exception"]
    assert "the-key" not in json.dumps(entry)
    assert "requestId" not in formatted(record("after the request"))


def test_texts_that_are_no_unicode_are_logged() -> None:
    assert formatted(record("\udcff", fields={"path": Path("a")}))["path"] == "a"


def test_files_are_rotated_and_private(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "emulator.log"
    settings = replace(Settings(), log_file=path, log_file_mb=1, log_format="json")
    with root_with(settings) as root:
        root.handlers[0].setLevel(logging.CRITICAL)
        for number in range(300):
            root.error("%d %s", number, "x" * 10_000)
    written = sorted(path.parent.iterdir())
    assert [file.name for file in written] == ["emulator.log", "emulator.log.1", "emulator.log.2"]
    lines = [line for file in reversed(written) for line in file.read_text().splitlines()]
    assert len([json.loads(line) for line in lines]) == 300
    assert all(file.stat().st_size <= 2**20 for file in written)
    if os.name != "nt":
        assert {stat.S_IMODE(file.stat().st_mode) for file in written} == {0o600}


def test_a_full_disk_loses_lines_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def full(_text: str) -> None:
        raise OSError(errno.ENOSPC, "full")

    class Full:
        write = staticmethod(full)

        def close(self) -> None:
            pass

        def flush(self) -> None:
            pass

        def seek(self, *_: int) -> None:
            pass

        def tell(self) -> int:
            return 0

    with root_with(replace(Settings(), log_file=tmp_path / "emulator.log")) as root:
        handler = root.handlers[1]
        assert isinstance(handler, logging.FileHandler)
        handler.stream.close()
        handler.stream = Full()  # type: ignore[assignment]
        root.error("lost")
    assert "Logging error" not in capsys.readouterr().err


def test_a_file_that_cannot_be_written_refuses_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartRefused, match="--log-file: cannot write"):
        configure_log(replace(Settings(), log_file=tmp_path / "file" / "emulator.log"))


def test_a_server_logs_each_request_with_the_id_of_its_response(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "emulator.log"
    server = serve("--log-format", "json", "--log-level", "info", "--access-log", "--log-file", str(path))
    answer = server.client.get("/projects")
    refused = httpx.get(
        f"{server.endpoint}/customvision/v3.3/training/projects/{TRAINING_KEY}",
        headers={"Training-Key": TRAINING_KEY},
        trust_env=False,
    )
    server.terminate()
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    ids = [answer.headers["apim-request-id"], refused.headers["apim-request-id"]]
    access = [entry for entry in entries if entry["logger"] == "emulator.access"]
    assert [(entry["requestId"], entry["status"]) for entry in access[:2]] == [
        (ids[0], 200),
        (ids[1], refused.status_code),
    ]
    (refusal,) = [entry for entry in entries if entry["logger"] == "emulator.refusals"]
    assert (refusal["requestId"], refusal["status"]) == (ids[1], refused.status_code)
    assert TRAINING_KEY not in path.read_text()
    assert [json.loads(line) for line in server.log().splitlines() if line.startswith("{")] == entries
