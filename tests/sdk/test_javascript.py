"""The main job through the official JavaScript SDK, run by Node."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.contract.spec import ContractValidator
from tests.coverage_evidence import note_validated
from tests.sdk.conftest import FileServer
from tests.sdk.live import Emulator
from tests.sdk.programs import run_main_job

FOLDER = Path(__file__).parent / "javascript"
STEPS = 9
node = shutil.which("node")


@pytest.mark.skipif(node is None, reason="Node is not installed (get Node 20 or newer from nodejs.org)")
@pytest.mark.skipif(
    not (FOLDER / "node_modules" / "@azure").is_dir(),
    reason="the official JavaScript SDK is not installed (run make test, or npm ci in tests/sdk/javascript)",
)
def test_the_main_job(emulator: Emulator, file_server: FileServer, tmp_path: Path) -> None:
    answers = tmp_path / "answers.jsonl"
    assert node is not None
    output = run_main_job([node, str(FOLDER / "main-job.mjs")], emulator, file_server, ANSWERS=str(answers))
    assert f"{STEPS}. renamed, unpublished, deleted" in output.splitlines()

    validator = ContractValidator(note_validated)
    judged = [json.loads(line) for line in answers.read_text(encoding="utf-8").splitlines()]
    assert len(judged) > 50
    for answer in judged:
        body = (answer["body"] or "").encode()
        problems = validator.check(answer["method"], answer["url"], answer["status"], answer["headers"], body)
        assert not problems, "\n".join(problems)
