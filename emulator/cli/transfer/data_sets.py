"""Commands for labeled data sets of a running emulator: `import-data` and `export-data`."""

from __future__ import annotations

import http.client
import json
import os
import tempfile
import time
import zipfile
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import click

from emulator.cli.control import (
    control_connection,
    control_emulator,
    into_project,
    project_id_of,
    query_of,
    refusal_of,
)
from emulator.cli.errors import CommandFailed
from emulator.cli.flags import with_settings
from emulator.data_sets.files import is_image
from emulator.data_sets.record import place_text
from emulator.durable_files import UNFINISHED_PREFIX
from emulator.settings import Settings

_PATH = "/_emulator/dataSets"
_POLL_SECONDS = 0.2
_TIMEOUT_SECONDS = 300
_CHUNK_BYTES = 2**20

# --- import-data --------------------------------------------------------------------------------------------


@click.command()
@with_settings
@click.argument("path", help="A folder, a zip of one, or one file of labels.")
@into_project
@click.option("--format", "format_name", metavar="FORMAT", help="The format; recognized if not given.")
@click.option("--images", metavar="FOLDER", help="The images, when they are not beside the labels.")
@click.option("--dry-run", is_flag=True, help="Show tags, counts and problems; import nothing.")
@click.option("--domain", metavar="NAME|ID", help="The domain of a new project.")
@click.option("--classification-type", metavar="TYPE", help="Multiclass or Multilabel, of a new project.")
@click.option("--parts", metavar="NAMES", help="Only these parts of a divided data set: train,val,test.")
@click.option("--allow-missing-images", is_flag=True, help="Leave out labels of images that are not there.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def import_data(
    settings: Settings,
    path: str,
    project: str,
    format_name: str | None,
    images: str | None,
    dry_run: bool,
    domain: str | None,
    classification_type: str | None,
    parts: str | None,
    allow_missing_images: bool,
    as_json: bool,
) -> None:
    """Import a labeled data set into a running emulator: all of it, or nothing when something is wrong."""
    given = {
        "project": project,
        "format": format_name,
        "domain": domain,
        "classificationType": classification_type,
        "dryRun": "true" if dry_run else None,
        "parts": parts,
        "missingImagesAllowed": "true" if allow_missing_images else None,
    }
    with _archive_of(Path(path), None if images is None else Path(images)) as archive:
        begun = _send(settings, f"{_PATH}?{query_of(given)}", archive, Path(path).name)
    try:
        ended = _wait(settings, begun["id"])
    except KeyboardInterrupt:
        control_emulator(settings, "DELETE", f"{_PATH}/{begun['id']}")
        raise CommandFailed("interrupted; nothing was imported") from None
    if dry_run:
        control_emulator(settings, "DELETE", f"{_PATH}/{begun['id']}")
    if as_json:
        click.echo(json.dumps(ended, indent=2, ensure_ascii=False))
    else:
        for line in report_lines(ended):
            click.echo(line)
    if ended["status"] == "Failed":
        raise CommandFailed(f"{Path(path).name}: {ended['failure']}")


def report_lines(ended: dict[str, Any]) -> Iterator[str]:
    """An import as text."""
    report = ended["report"]
    if report is None:
        return
    new = " (new)" if ended["projectIsNew"] else ""
    yield f"project   {ended['projectId']}  {ended['projectName']}{new}"
    yield f"format    {ended['format']}"
    boxes = f", {report['boxCount']} boxes" if report["detection"] else ""
    yield f"images    {report['imageCount']}, {report['untaggedImageCount']} without a tag{boxes}"
    if report["parts"]:
        yield "parts     " + ", ".join(f"{part['name']} {part['imageCount']}" for part in report["parts"])
    width = max((len(tag["name"]) for tag in report["tags"]), default=0)
    for tag in report["tags"]:
        counts = f"{tag['imageCount']:>8} images"
        counts += f" {tag['boxCount']:>8} boxes" if report["detection"] else ""
        kind = "" if tag["type"] == "Regular" else f"  {tag['type']}"
        yield f"  {tag['name']:<{width}} {counts}{kind}{'  new' if tag['isNew'] else ''}"
    for problem in report["problems"]:
        yield _problem_line(problem)
    if report["problemsLeftOut"]:
        yield f"          {report['problemsLeftOut']} other problems"
    verb = {"Checked": "would add", "Completed": "added"}.get(ended["status"], "refused; would add")
    yield (
        f"{verb}: {report['newImageCount']} images, {report['newTagCount']} tags, "
        f"{report['newBoxCount']} boxes; {report['knownImageCount']} images are known"
        + (f", {report['changedImageCount']} of them get labels" if report["changedImageCount"] else "")
    )


def _problem_line(problem: dict[str, Any]) -> str:
    place = place_text(problem["file"], problem["line"])
    count = f" ({problem['count']} times)" if problem["count"] > 1 else ""
    kind = "error" if problem["isError"] else "note"
    return f"{kind:<9} {problem['message']}{count}{f' [{place}]' if place else ''}"


@contextmanager
def _archive_of(path: Path, images: Path | None) -> Iterator[IO[bytes]]:
    """The data set as a zip archive: the file itself, or a temporary one. Raises CommandFailed."""
    try:
        if path.is_file() and images is None and zipfile.is_zipfile(path):
            with path.open("rb") as file:
                yield file
            return
        with tempfile.TemporaryFile() as archive:
            _pack(archive, path, images)
            archive.seek(0)
            yield archive
    except OSError as error:
        place = error.filename or str(path)
        raise CommandFailed(f"cannot read {str(place)!r}: {error.strerror or error}") from None


def _pack(archive: IO[bytes], path: Path, images: Path | None) -> None:
    files: dict[str, Path] = {}
    if path.is_dir():
        files.update(_files_of(path))
    elif path.is_file():
        files[path.name] = path
        if images is None:  # beside the labels
            beside = _files_of(path.parent)
            files.update({name: one for name, one in beside.items() if is_image(name)})
    else:
        raise CommandFailed(f"there is no {str(path)!r}")
    if images is not None:
        if not images.is_dir():
            raise CommandFailed(f"there is no folder {str(images)!r}")
        files.update({f"images/{name}": one for name, one in _files_of(images).items()})
    with zipfile.ZipFile(archive, "w") as packed:
        for name, one in files.items():
            method = zipfile.ZIP_STORED if is_image(name) else zipfile.ZIP_DEFLATED
            packed.write(one, name, method, compresslevel=1)


def _files_of(folder: Path) -> dict[str, Path]:
    found = {}
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            file = Path(parent, name)
            if file.is_file():
                found[file.relative_to(folder).as_posix()] = file
    return found


def _send(settings: Settings, path: str, archive: IO[bytes], subject: str) -> dict[str, Any]:
    size = archive.seek(0, 2)
    archive.seek(0)
    with control_connection(settings, _TIMEOUT_SECONDS) as connection:
        connection.request(
            "POST",
            path,
            iter(lambda: archive.read(_CHUNK_BYTES), b""),
            {"Training-Key": settings.training_keys[0], "Content-Length": str(size)},
        )
        response = connection.getresponse()
        content = response.read()
    refusal = refusal_of(response.status, content)
    if refusal is not None:
        raise CommandFailed(f"{subject}: {refusal}")
    begun: dict[str, Any] = json.loads(content)
    return begun


def _wait(settings: Settings, id: str) -> dict[str, Any]:
    """The import when it has ended. A terminal shows progress."""
    from emulator.cli.evaluate import shown_progress

    with shown_progress() as progress:
        while True:
            state: dict[str, Any] = json.loads(control_emulator(settings, "GET", f"{_PATH}/{id}"))
            if state["status"] != "Waiting":
                return state
            listed = json.loads(control_emulator(settings, "GET", "/_emulator/jobs"))
            for job in listed["jobs"]:
                if job["id"] == state["jobId"]:
                    if job["status"] == "Cancelled":
                        raise CommandFailed("the import was cancelled; nothing was imported")
                    progress(job["progress"] or 0.0, job["stage"] or "")
            time.sleep(_POLL_SECONDS)


# --- export-data --------------------------------------------------------------------------------------------


@click.command()
@with_settings
@click.argument("project", help="Id or name of the project.")
@click.argument("file", help="The zip file to write.")
@click.option("--format", "format_name", metavar="FORMAT", required=True, help="The format.")
@click.option("--dry-run", is_flag=True, help="Only show counts and what the format loses.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
def export_data(
    settings: Settings, project: str, file: str, format_name: str, dry_run: bool, as_json: bool
) -> None:
    """Write the images and labels of a project of a running emulator as a data set."""
    path = f"/_emulator/projects/{project_id_of(settings, project)}/dataSet?format={quote(format_name)}"
    found = json.loads(control_emulator(settings, "GET", f"{path}&dryRun=true", timeout=_TIMEOUT_SECONDS))
    if not dry_run:
        download(settings, path, Path(file).absolute())
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    click.echo(f"{found['imageCount']} images, {found['tagCount']} tags, {found['boxCount']} boxes")
    for loss in found["losses"]:
        click.echo(_problem_line(loss))
    if not dry_run:
        click.echo(f"{file} ({Path(file).stat().st_size} bytes)")


def download(settings: Settings, path: str, target: Path) -> None:
    """Write the response to a GET to a file, which exists completely or not at all."""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=UNFINISHED_PREFIX)
        try:
            with os.fdopen(descriptor, "wb") as file, closing(_downloaded(settings, path)) as chunks:
                file.writelines(chunks)
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CommandFailed(f"cannot write {str(target)!r}: {error.strerror or error}") from None


def _downloaded(settings: Settings, path: str) -> Generator[bytes]:
    """The body of a response, in chunks. Raises CommandFailed."""
    with control_connection(settings, _TIMEOUT_SECONDS) as connection:
        connection.request("GET", path, headers={"Training-Key": settings.training_keys[0]})
        response = connection.getresponse()
        refusal = None if response.status == 200 else refusal_of(response.status, response.read())
        if refusal is not None:
            raise CommandFailed(refusal)
        try:
            while chunk := response.read(_CHUNK_BYTES):
                yield chunk
        except http.client.IncompleteRead:
            raise CommandFailed("the export ended early: an image is gone or damaged") from None
