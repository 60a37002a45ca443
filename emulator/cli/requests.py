"""Commands that show what a running emulator was asked: `requests` and `usage`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

from emulator.cli.control import control_emulator, query_of
from emulator.cli.flags import with_settings
from emulator.settings import Settings

_PATH = "/_emulator/requests"

# --- requests -----------------------------------------------------------------------------------------------


@click.command()
@with_settings
@click.option("--operation", metavar="NAME", help="Only this operation; several with commas.")
@click.option("--status", metavar="STATUS", help="Only this status, or a class such as 4xx.")
@click.option("--method", metavar="METHOD", help="Only this method.")
@click.option("--version", metavar="VERSION", help="Only this version of an API.")
@click.option("--client", metavar="TEXT", help="Only this X-Emulator-Client, or a part of User-Agent.")
@click.option("--project", metavar="ID", help="Only the project with this id.")
@click.option("--path", metavar="TEXT", help="Only paths that contain the text.")
@click.option("--since", metavar="NUMBER|TIME", help="Only requests after this number, or from this time on.")
@click.option("--limit", metavar="NUMBER", default="100", show_default=True, help="The most requests shown.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
@click.option("--clear", is_flag=True, help="Forget all requests instead, and the counts of uses.")
def requests(settings: Settings, as_json: bool, clear: bool, **filters: str | None) -> None:
    """Print the last requests to a running emulator, the newest last."""
    if clear:
        control_emulator(settings, "DELETE", _PATH)
        return
    found = logged_requests(settings, filters)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for request in reversed(found["requests"]):
        for line in request_lines(request):
            click.echo(line)
    if found["dropped"]:
        click.echo(f"{found['dropped']} older requests are in the log no longer (--request-log)", err=True)


def logged_requests(settings: Settings, filters: Mapping[str, str | None]) -> dict[str, Any]:
    """The response of the control API, the newest request first. Raises CommandFailed."""
    body = control_emulator(settings, "GET", f"{_PATH}?{query_of(filters)}")
    found: dict[str, Any] = json.loads(body)
    return found


def request_lines(request: Mapping[str, Any]) -> Iterator[str]:
    """An entry of the request log as text: one line, and an indented one for each remark."""
    path = f"{request['path']}?{request['query']}" if request["query"] else request["path"]
    status = "no response" if request["status"] is None else request["status"]
    named = [request["operation"], request["client"]]
    more = "".join(f" {name}" for name in named if name)
    yield f"{request['time']} {request['method']} {path} {status} {request['durationMs']:.1f} ms{more}"
    if request["reason"]:
        code = f"{request['errorCode']}: " if request["errorCode"] else ""
        yield f"    {code}{request['reason']}"
    if request["fault"] is not None:
        yield f"    fault: {request['fault']}"
    for near in request["nearMisses"]:
        operation = f"{near['operation']} ({near['method']} {near['path']})"
        yield f"    nearest: {operation}: {', '.join(near['differences'])}"
    for departure in request["departures"]:
        yield f"    departs from the document: {departure}"


# --- usage --------------------------------------------------------------------------------------------------


@click.command()
@with_settings
@click.option("--client", metavar="TEXT", help="Only this X-Emulator-Client, or a part of User-Agent.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of Markdown.")
def usage(settings: Settings, client: str | None, as_json: bool) -> None:
    """Print which operations programs used, and which of their behavior is only inferred."""
    query = query_of({"format": "json" if as_json else "text", "client": client})
    body = control_emulator(settings, "GET", f"/_emulator/usage?{query}")
    if as_json:
        click.echo(json.dumps(json.loads(body), indent=2, ensure_ascii=False))
    else:
        click.echo(body.decode(), nl=False)
