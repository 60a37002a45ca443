"""The official Python SDK before and after the restore of a snapshot, also in another emulator."""

from __future__ import annotations

import httpx

from tests.sdk.conftest import StartEmulator
from tests.sdk.test_python_restart import everything, main_job, without_uris
from tests.support.harness import TRAINING_KEY

PATH = "/_emulator/snapshots/base"


def test_everything_is_restored(start_emulator: StartEmulator) -> None:
    emulator = start_emulator()
    with httpx.Client(
        base_url=emulator.endpoint, headers={"Training-Key": TRAINING_KEY}, trust_env=False, timeout=60
    ) as control:
        project_id = main_job(emulator)
        before = without_uris(everything(emulator, project_id))
        assert control.put(PATH).status_code == 201
        trainer = emulator.trainer()
        trainer.delete_images(project_id, all_images=True, all_iterations=True)
        trainer.create_project("another")
        assert control.post(f"{PATH}/restore").status_code == 200
        assert without_uris(everything(emulator, project_id)) == before
        archive = control.get(f"{PATH}/archive").content
    other = start_emulator()
    with httpx.Client(
        base_url=other.endpoint, headers={"Training-Key": TRAINING_KEY}, trust_env=False, timeout=60
    ) as control:
        assert control.put(f"{PATH}/archive", content=archive).status_code == 201
        assert control.post(f"{PATH}/restore").status_code == 200
    assert without_uris(everything(other, project_id)) == before
