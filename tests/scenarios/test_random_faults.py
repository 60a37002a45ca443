"""Runs of clients whose calls fail at random; `python -m bench faults` has 1,000 of them."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from bench import fault_runs
from emulator.server.background import BackgroundServer
from tests.support.harness import test_settings

RUNS, CLIENTS = 12, 4


def test_the_effect_of_each_call_is_there_once_or_not_at_all(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = BackgroundServer(test_settings(tmp_path / "data", port=0, trainer="instant"))
    server.start()
    try:
        outcome = fault_runs.run(server.endpoint.rstrip("/"), RUNS, CLIENTS)
        wrong = outcome.wrong + fault_runs.what_is_left(server.endpoint.rstrip("/"))
    finally:
        server.stop()
    assert wrong == []
    assert outcome.runs == RUNS
    assert len(outcome.faults) > 5  # kinds of faults, and "none"
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []
