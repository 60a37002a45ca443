"""Commands for roll-outs of published names: `rollout start`, `status`, `finish`, `back` and others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import click

from emulator.cli.control import WORK_TIMEOUT_SECONDS, control_emulator, project_id_of
from emulator.cli.errors import CommandFailed
from emulator.cli.flags import with_settings
from emulator.settings import SettingError, Settings

_TRAINING = "/customvision/v3.3/training"
_project = click.option("--project", metavar="NAME|ID", required=True, help="The project.")
_published = click.option("--published", metavar="NAME", required=True, help="The published name.")
_percent = click.option(
    "--percent",
    metavar="NUMBER",
    type=click.FloatRange(0, 100),
    help="Part of the requests that the new iteration answers, 0 to 100.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")


@click.group()
def rollout() -> None:
    """Try a new iteration under a published name, publish it in one step, return to the former one."""


@rollout.command()
@with_settings
@_project
@_published
@click.option("--iteration", metavar="NAME|ID", required=True, help="The trained iteration to try.")
@_percent
def start(settings: Settings, project: str, published: str, iteration: str, percent: float | None) -> None:
    """Try an iteration: without --percent, it scores the images that the published one answers."""
    project_id = project_id_of(settings, project)
    given = {"iterationId": _iteration_id(settings, project_id, iteration), "percent": percent}
    _print(_send(settings, project_id, "POST", published, "", **given))


@rollout.command()
@with_settings
@_project
@_published
@_percent
@click.option("--shadow", is_flag=True, help="The new iteration answers no request, and is compared.")
def change(settings: Settings, project: str, published: str, percent: float | None, shadow: bool) -> None:
    """Change the part of the requests that the new iteration answers."""
    if shadow == (percent is not None):
        raise SettingError("rollout change needs either --percent or --shadow")
    mode = "Shadow" if shadow else "Percentage"
    project_id = project_id_of(settings, project)
    _print(_send(settings, project_id, "PATCH", published, "", mode=mode, percent=percent))


@rollout.command()
@with_settings
@_project
@click.option("--published", metavar="NAME", help="This published name alone.")
@_json
def status(settings: Settings, project: str, published: str | None, as_json: bool) -> None:
    """Show which iteration is published, and how the new one compares with it."""
    query = "" if published is None else f"?{urlencode({'publishName': published})}"
    path = f"{_path(project_id_of(settings, project))}{query}"
    names = json.loads(control_emulator(settings, "GET", path))
    if as_json:
        click.echo(json.dumps(names, indent=2, ensure_ascii=False))
        return
    for name in names:
        _print(name)


@rollout.command()
@with_settings
@_project
@_published
def finish(settings: Settings, project: str, published: str) -> None:
    """Publish the new iteration under the name: it answers all requests from now on."""
    _print(_send(settings, project_id_of(settings, project), "POST", published, "/finish"))


@rollout.command()
@with_settings
@_project
@_published
@click.option(
    "--replacing",
    metavar="NAME|ID",
    help="Do nothing unless this iteration answers requests, or is being tried.",
)
def back(settings: Settings, project: str, published: str, replacing: str | None) -> None:
    """End the running roll-out; without one, publish the former iteration again."""
    project_id = project_id_of(settings, project)
    given = {} if replacing is None else {"iterationId": _iteration_id(settings, project_id, replacing)}
    _print(_send(settings, project_id, "POST", published, "/back", **given))


def lines_of(name: dict[str, Any]) -> Iterator[str]:
    """A published name and its roll-out as text."""
    yield f"{name['publishName']}: {_name_of(name['iteration'])}"
    if name["formerIteration"] is not None:
        yield f"  former     {_name_of(name['formerIteration'])}"
    rollout = name["rollout"]
    if rollout is None:
        return
    part = "shadow" if rollout["percent"] is None else f"{rollout['percent']:g}% of the requests"
    candidate = rollout["candidate"]["iterationName"] or "(deleted)"
    yield f"  roll-out   {candidate}, {part}, {_STATUS[rollout['status']]}"
    for title, side in (("published", rollout["current"]), ("new", rollout["candidate"])):
        yield f"  {title:<10} {', '.join(_figures(side))}"
    comparison = rollout["comparison"]
    if comparison["imageCount"] or comparison["droppedImageCount"]:
        yield f"  compared   {', '.join(_compared(comparison))}"


_STATUS = {
    "Running": "running",
    "Finished": "finished",
    "TakenBack": "taken back",
    "Replaced": "ended by another publication",
}


def _figures(side: dict[str, Any]) -> Iterator[str]:
    yield f"{side['predictionCount']} images"
    if side["meanConfidence"] is not None:
        yield f"mean confidence {side['meanConfidence']:.3f}"
    if side["meanMilliseconds"] is not None:
        yield f"{side['meanMilliseconds']:.1f} ms each, at most {side['maxMilliseconds']:.1f}"
    if side["failureCount"]:
        yield f"{side['failureCount']} failures"


def _compared(comparison: dict[str, Any]) -> Iterator[str]:
    yield f"{comparison['imageCount']} images"
    if comparison["agreement"] is not None:
        yield f"{comparison['agreement']:.1%} with the same result"
    boxes = [comparison[f"{which}BoxCount"] for which in ("matched", "current", "candidate")]
    if any(boxes):
        yield "objects: {} of both, {} of the published one alone, {} of the new one alone".format(*boxes)
    if comparison["droppedImageCount"]:
        yield f"{comparison['droppedImageCount']} left out"


def _name_of(iteration: dict[str, Any] | None) -> str:
    return "no iteration" if iteration is None else f"{iteration['name']} ({iteration['id']})"


def _print(name: dict[str, Any]) -> None:
    for line in lines_of(name):
        click.echo(line)


def _path(project_id: str) -> str:
    return f"/_emulator/projects/{project_id}/rollouts"


def _send(
    settings: Settings, project_id: str, method: str, published: str, end: str, **given: Any
) -> dict[str, Any]:
    body = json.dumps({"publishName": published, **given}).encode()
    path = _path(project_id) + end
    sent = control_emulator(settings, method, path, body, timeout=WORK_TIMEOUT_SECONDS)
    result: dict[str, Any] = json.loads(sent)
    return result


def _iteration_id(settings: Settings, project_id: str, iteration: str) -> str:
    listed = json.loads(control_emulator(settings, "GET", f"{_TRAINING}/projects/{project_id}/iterations"))
    found = [one["id"] for one in listed if iteration.lower() == one["id"] or iteration == one["name"]]
    if not found:
        raise CommandFailed(f"there is no iteration {iteration!r}")
    return str(found[0])
