"""The main job through the official JavaScript SDK, run by Node."""

from __future__ import annotations

import json
from pathlib import Path

from tests.contract_chain.spec import ContractValidator
from tests.sdk.conftest import FileServer
from tests.sdk.installed import JAVASCRIPT_FOLDER, node
from tests.sdk.live import Emulator
from tests.sdk.programs import run_main_job
from tests.support.coverage_evidence import note_validated

STEPS = 9


def test_the_main_job(emulator: Emulator, file_server: FileServer, tmp_path: Path) -> None:
    responses = tmp_path / "answers.jsonl"
    program = [node(), str(JAVASCRIPT_FOLDER / "main-job.mjs")]
    output = run_main_job(program, emulator, file_server, ANSWERS=str(responses))
    assert f"{STEPS}. renamed, unpublished, deleted" in output.splitlines()

    validator = ContractValidator(note_validated)
    validated = [json.loads(line) for line in responses.read_text(encoding="utf-8").splitlines()]
    assert len(validated) > 50
    for response in validated:
        body = (response["body"] or "").encode()
        problems = validator.check(
            response["method"], response["url"], response["status"], response["headers"], body
        )
        assert not problems, "\n".join(problems)
