"""Projects of one emulator, pulled into another one: every GET of Microsoft's SDK has the same result."""

from __future__ import annotations

import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from emulator.app import make_parts
from emulator.core.clock import Clock
from emulator.core.ids import Ids
from emulator.core.pulled.archive import PullArchive
from emulator.core.pulled.insert import insert
from emulator.pulling.manifest import Manifest, manifest_of
from emulator.pulling.project import ProjectPull
from emulator.pulling.service import Endpoint
from emulator.pulling.service import Service as Client
from emulator.pulling.throttle import Throttle
from emulator.testing import EmulatorServer
from emulator.testing.projects import SampleProject
from emulator.testing.server import make_settings
from tests.support.sdk_reads import reads, without_hosts


def changed(source: EmulatorServer, project: SampleProject) -> str:
    """Train a project again after changes; returns the id of the second iteration."""
    with source.training_client() as client:
        first, second, *_ = project.images["red"]
        client.delete_images(project.id, image_ids=[first])
        client.delete_image_tags(project.id, [second], [project.tags["red"]])
        client.create_images_from_data(project.id, project.image("red"), tag_ids=[project.tags["red"]])
        client.create_images_from_data(project.id, project.image("red", 1), tag_ids=[project.tags["red"]])
        client.create_images_from_data(project.id, project.image("red", 2))
        client.update_image_metadata(project.id, [second], {"place": "left", "camera": "2"})
        client.update_tag(
            project.id, project.tags["blue"], {"name": "blue", "description": "the sea", "type": "Regular"}
        )
        iteration = client.train_project(project.id, force_train=True)
        while client.get_iteration(project.id, iteration.id).status == "Training":
            threading.Event().wait(0.02)
        client.quick_test_image(project.id, project.image("blue", 7), iteration_id=iteration.id)
        return str(iteration.id)


def pulled(source: EmulatorServer, project_id: str, folder: Path) -> tuple[Manifest, EmulatorServer]:
    """Pull a project into a new data folder; returns the manifest, and an emulator on that folder."""
    archive = PullArchive(folder / "archive")
    client = Client(
        Endpoint.parse(source.endpoint), source.training_key, Throttle(500), sleep=lambda seconds: None
    )
    try:
        manifest = manifest_of(archive, ProjectPull(client, archive, project_id).run())
        parts = make_parts(make_settings(data=folder / "data"), Clock(), Ids())
        insert(parts.context, archive)
        parts.end_workers(wait=True)
        parts.context.database.close()
    finally:
        client.close()
        archive.close()
    return manifest, EmulatorServer(data=folder / "data")


@pytest.mark.parametrize("detection", [False, True], ids=["classification", "detection"])
def test_every_get_of_the_sdk_is_the_same(detection: bool, tmp_path: Path) -> None:
    with EmulatorServer() as source:
        project = source.create_project({"red": 18, "blue": 15}, detection=detection, published="production")
        changed(source, project)
        # 5 % of the calls are refused for their rate and 2 % are lost.
        for kinds, probability in ((["throttle"], 0.05), (["reset", "close"], 0.02)):
            source.control.faults.add("*", random={"seed": 7, "probability": probability, "kinds": kinds})
        manifest, target = pulled(source, project.id, tmp_path)
        source.control.faults.clear()
        assert manifest.lines()[1].endswith("stored predictions 1 of 1, missing 0")
        with source.training_client() as theirs, target, target.training_client() as ours:
            expected, found = reads(theirs, project.id), reads(ours, project.id)
            for (name, read_source), (same_name, read_copy) in zip(expected, found, strict=True):
                assert name == same_name
                assert without_hosts(read_copy()) == without_hosts(read_source()), name
            image = theirs.get_images(project.id)[0]
            path = urlsplit(image.original_image_uri).path
            bytes_of = [b"".join(client.get_artifact(project.id, path)) for client in (theirs, ours)]
            assert bytes_of[0] == bytes_of[1]
