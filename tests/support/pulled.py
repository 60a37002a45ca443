"""Archives of pulled projects, and projects that are pulled and inserted."""

import atexit
import shutil
import tempfile
from base64 import b64encode
from pathlib import Path
from typing import Any

from emulator.app import make_parts
from emulator.core.clock import Clock
from emulator.core.context import Context
from emulator.core.ids import Ids
from emulator.core.pulled.archive import PullArchive
from emulator.core.pulled.insert import Inserted, insert
from emulator.pulling.project import ProjectPull
from emulator.pulling.service import Endpoint, Service
from emulator.pulling.throttle import Throttle
from emulator.testing import EmulatorServer
from emulator.testing.server import make_settings
from tests.support.cloud import GENERAL, KEY, Cloud, guid
from tests.support.harness import wait_until
from tests.support.images import picture


def write_archive(folder: Path, name: str = "pulled") -> Path:
    """Write the archive of a project with one tag and no images; returns its folder."""
    project: dict[str, Any] = {
        "id": guid(1),
        "name": name,
        "description": "",
        "settings": {"domainId": GENERAL, "classificationType": "Multiclass"},
        "created": "2020-11-06T16:00:00.740Z",
        "lastModified": "2020-11-06T16:00:00.740Z",
    }
    archive = PullArchive(folder)
    archive.put_document("tags", [{"id": guid(2), "name": "red", "description": None, "type": "Regular"}])
    archive.put_document("domains", [])
    archive.put_document("state", {"project": project, "counts": {"total": 0}, "iterations": []})
    archive.close()
    return folder


def temporary_archive() -> str:
    """The folder of an archive that is deleted at the end of the process."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return str(write_archive(Path(folder) / "archive"))


def new_project(server: EmulatorServer, name: str) -> str:
    """The id of a new project without images."""
    client = Service(Endpoint.parse(server.endpoint), server.training_key, Throttle(1000))
    try:
        return str(client.send("POST", "projects", name=name)["id"])
    finally:
        client.close()


def trained_project(server: EmulatorServer, domain: str = GENERAL) -> str:
    """The id of a new project of two tags with five images each, and one trained iteration."""
    client = Service(Endpoint.parse(server.endpoint), server.training_key, Throttle(1000))
    try:
        parameters = {"name": "Screws", "domainId": domain, "classificationType": "Multiclass"}
        project: str = client.send("POST", "projects", **parameters)["id"]
        for number, name in enumerate(("red", "blue")):
            tag = client.send("POST", f"projects/{project}/tags", name=name)["id"]
            images = [
                {
                    "name": f"{name}{index}",
                    "contents": b64encode(picture(10 * number + index, name)).decode(),
                    "tagIds": [tag],
                }
                for index in range(5)
            ]
            client.send("POST", f"projects/{project}/images/files", {"images": images})
        trained = client.send("POST", f"projects/{project}/train")["id"]
        path = f"projects/{project}/iterations/{trained}"
        wait_until(lambda: client.get(path)["status"] == "Completed", "the training to end")
    finally:
        client.close()
    return project


def pull_into(context: Context, cloud: Cloud, archive: PullArchive, **more: Any) -> Inserted:
    """Pull the project of a cloud and insert it."""
    client = Service(Endpoint.parse(cloud.endpoint), KEY, Throttle(1000), attempts=2)
    try:
        ProjectPull(client, archive, cloud.id).run()
    finally:
        client.close()
    return insert(context, archive, **more)


def copied(source: EmulatorServer, project_id: str, folder: Path, **settings: Any) -> EmulatorServer:
    """An emulator, not started, with the project of another one, which it has pulled.

    settings: its options besides the data folder.
    """
    archive = PullArchive(folder / "archive")
    client = Service(Endpoint.parse(source.endpoint), source.training_key, Throttle(500))
    try:
        ProjectPull(client, archive, project_id).run()
        parts = make_parts(make_settings(data=folder / "data"), Clock(), Ids())
        insert(parts.context, archive)
        parts.end_workers(wait=True)
        parts.context.database.close()
    finally:
        client.close()
        archive.close()
    return EmulatorServer(data=folder / "data", **settings)
