"""The command `leave-report`: an iteration of the service beside one that was trained here, as a file."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import click

from emulator.cli.control import control_emulator, project_id_of, query_of
from emulator.cli.errors import CommandFailed
from emulator.cli.flags import with_settings
from emulator.cli.transfer.data_sets import download
from emulator.settings import Settings

# Thumbnails that were never shown are made first.
_TIMEOUT_SECONDS = 600.0


@click.command()
@with_settings
@click.option(
    "--project", metavar="NAME|ID", required=True, help="The project, which was pulled from the service."
)
@click.option(
    "--theirs", metavar="ITERATION", required=True, help="The pulled iteration: id, name or publish name."
)
@click.option("--ours", metavar="ITERATION", required=True, help="The iteration that was trained here.")
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    default="leave-report.html",
    show_default=True,
    help="The file to write.",
)
@click.option(
    "--threshold", metavar="NUMBER", help="Probability from which a prediction counts. [default: 0.5]"
)
@click.option("--overlap-threshold", metavar="NUMBER", help="Overlap from which a box counts. [default: 0.3]")
@click.option("--images", metavar="NUMBER", help="Most images shown of each kind, 0 to 256. [default: 24]")
@click.option("--json", "as_json", is_flag=True, help="Write the figures as JSON, without images.")
def leave_report(
    settings: Settings,
    project: str,
    theirs: str,
    ours: str,
    output: str,
    threshold: str | None,
    overlap_threshold: str | None,
    images: str | None,
    as_json: bool,
) -> None:
    """Compare an iteration of Azure's with one that was trained here, on the images that Azure held out.

    The file is one HTML page that works offline: figures by tag, confusion matrices, thresholds, and the
    images that only one of the iterations gets right. The emulator must be running.
    """
    project_id = project_id_of(settings, project)
    listed = json.loads(
        control_emulator(settings, "GET", f"/customvision/v3.3/training/projects/{project_id}/iterations")
    )
    their_id, our_id = (_iteration_id(listed, name) for name in (theirs, ours))
    given = {
        "with": their_id,
        "threshold": threshold,
        "overlapThreshold": overlap_threshold,
        "images": images,
    }
    path = f"/_emulator/projects/{quote(project_id)}/iterations/{quote(our_id)}/leaveReport"
    query = query_of(given)
    report = json.loads(control_emulator(settings, "GET", f"{path}?{query}", timeout=_TIMEOUT_SECONDS))
    target = Path(output).absolute()
    if as_json:
        _write(target, json.dumps(report, indent=2, ensure_ascii=False))
    else:
        download(settings, f"{path}/page?{query}", target)
    found = report["comparison"]
    print(
        f"{found['imageCount']} of {report['heldOutImageCount']} held-out images compared: "
        f"{found['otherRightImageCount']} right with Azure, {found['rightImageCount']} here; "
        f"{found['gainedImageCount']} gained, {found['lostImageCount']} lost"
    )
    print(f"{output} ({target.stat().st_size} bytes)")


def _iteration_id(listed: list[dict[str, str | None]], wanted: str) -> str:
    """The id of the iteration with an id, a publish name or a name. Raises CommandFailed."""
    for key in ("id", "publishName", "name"):
        found = [one for one in listed if one[key] == (wanted.lower() if key == "id" else wanted)]
        if len(found) == 1:
            return str(found[0]["id"])
        if found:
            raise CommandFailed(f"{len(found)} iterations are named {wanted!r}; give the id of one")
    known = ", ".join(f"{one['name']!r} ({one['id']})" for one in listed[:20]) or "none"
    raise CommandFailed(f"there is no iteration {wanted!r}; the project has: {known}")


def _write(target: Path, text: str) -> None:
    from emulator.durable_files import write_atomically

    try:
        write_atomically(target, f"{text}\n".encode())
    except OSError as error:
        raise CommandFailed(f"cannot write {str(target)!r}: {error.strerror or error}") from None
