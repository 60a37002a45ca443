"""Ids from a seed as the official Python SDK receives them."""

from __future__ import annotations

from tests.sdk.conftest import StartEmulator
from tests.sdk.live import Emulator, picture


def created(emulator: Emulator, *, polls: int = 0) -> list[str]:
    """The ids of what a flow creates. polls: how many other requests are between its steps."""
    trainer = emulator.trainer()
    project = trainer.create_project("ids")
    ids = [project.id]
    for name in ("Meadow", "Dusk"):
        for _ in range(polls):
            trainer.get_project(project.id)
        tag = trainer.create_tag(project.id, name)
        batch = trainer.create_images_from_data(project.id, picture(name, 1), tag_ids=[tag.id])
        ids += [tag.id, batch.images[0].image.id]
    return [str(one) for one in ids]


def test_two_emulators_and_a_reset_give_the_same_ids(start_emulator: StartEmulator) -> None:
    first, second = start_emulator("--id-seed", "7"), start_emulator("--id-seed", "7")
    ids = created(first)
    assert len(set(ids)) == 5
    assert created(second, polls=2) == ids
    first.client.post(f"{first.endpoint}/_emulator/reset").raise_for_status()
    assert created(first) == ids
