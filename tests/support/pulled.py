"""Archives of pulled projects, written without a resource."""

import atexit
import shutil
import tempfile
from pathlib import Path
from typing import Any

from emulator.core.pulled.archive import PullArchive
from tests.support.cloud import GENERAL, guid


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
