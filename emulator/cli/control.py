"""Commands that control a running emulator: `import-model`, `env`, `health` and `reset`."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlencode

import click

from emulator.cli.errors import CommandFailed
from emulator.cli.flags import with_settings
from emulator.settings import SettingError, Settings
from emulator.settings.client_variables import NO_PORT, quickstart_variables
from emulator.settings.https import CERTIFICATE_FILE, has_https

CONTROL_TIMEOUT_SECONDS = 5
WORK_TIMEOUT_SECONDS = 300
_SUCCESS = range(200, 300)
_WRONG_KEY = "the emulator does not know this training key; give its own with --training-key"

into_project = click.option(
    "--project",
    metavar="NAME|ID",
    required=True,
    help="The project to import into; created when no project has this name.",
)

# --- import-model -------------------------------------------------------------------------------------------


@click.command()
@with_settings
@click.argument("export", help="The zip of the exported model.")
@into_project
@click.option("--publish-name", metavar="NAME", help="Publish the iteration under this name.")
@click.option("--overwrite", is_flag=True, help="Take the name from another iteration that has it.")
@click.option(
    "--classification-type",
    metavar="TYPE",
    help="Multiclass (default) or Multilabel, for exports too old to state it.",
)
@click.option(
    "--preprocessing",
    metavar="NAME=VALUE[,...]",
    help="Preprocessing instead of what the export says, such as channels=bgr,range=0-1.",
)
def import_model(
    settings: Settings,
    export: str,
    project: str,
    publish_name: str | None,
    overwrite: bool,
    classification_type: str | None,
    preprocessing: str | None,
) -> None:
    """Import an exported model into a running emulator, as a trained iteration ready for predictions."""
    try:
        content = Path(export).read_bytes()
    except OSError as error:
        raise CommandFailed(f"cannot read {export!r}: {error.strerror or error}") from None
    given = {
        "project": project,
        "publishName": publish_name,
        "predictionId": settings.prediction_resource_id if publish_name else None,
        "overwrite": "true" if overwrite else None,
        "classificationType": classification_type,
        "preprocessing": preprocessing,
    }
    path = f"/_emulator/models?{query_of(given)}"
    print_import(settings, control_emulator(settings, "POST", path, content, subject=Path(export).name))


def print_import(settings: Settings, body: bytes) -> None:
    """Print the result of an import, given the emulator's response."""
    response = json.loads(body)
    new = " (new)" if response["projectCreated"] else ""
    print(f"project    {response['projectId']}  {response['projectName']}{new}")
    print(f"iteration  {response['iterationId']}  {response['iterationName']}")
    print(f"tags       {', '.join(tag['name'] for tag in response['tags'])}")
    if response["publishName"] is not None:
        kind = "detect" if response["domainType"] == "ObjectDetection" else "classify"
        name = quote(response["publishName"], safe="")
        print(
            f"published  {settings.training_endpoint()}/customvision/v3.1/prediction/{response['projectId']}"
            f"/{kind}/iterations/{name}/image"
        )


def message_in(body: bytes) -> str:
    """The message in the body of an error response; empty when it has none."""
    try:
        response = json.loads(body)
        return str(response["error"]["message"] if "error" in response else response["message"])
    except (ValueError, LookupError, TypeError):
        return ""


# --- env ----------------------------------------------------------------------------------------------------


@click.command()
@with_settings
@click.option(
    "--shell",
    type=click.Choice(["sh", "powershell", "cmd"]),
    default="sh",
    show_default=True,
    help="The shell to write for.",
)
def env(settings: Settings, shell: str) -> None:
    """Print the variables that Microsoft's quickstarts read: eval "$(custom-vision-emulator env)"."""
    for name, value in quickstart_variables(settings).items():
        print(assignment(shell, name, value))


def assignment(shell: str, name: str, value: str) -> str:
    """The line that sets an environment variable in a shell, quoted for any characters in the value."""
    if shell == "powershell":
        quoted = value.replace("'", "''")
        return f"$env:{name} = '{quoted}'"
    if shell == "cmd":
        # Inside the quotes only % keeps its meaning, and it cannot be escaped at the prompt.
        return f'set "{name}={value}"'
    quoted = value.replace("'", "'\"'\"'")
    return f"export {name}='{quoted}'"


# --- health and reset ---------------------------------------------------------------------------------------


@click.command()
@with_settings
def health(settings: Settings) -> None:
    """Check whether a running emulator is ready: exit status 0 when it is, otherwise 1 and the reason."""
    check_health(settings)
    print("ready")


def check_health(settings: Settings) -> None:
    """Raise `CommandFailed` with the reason when the running emulator is not ready."""
    status, body = call_emulator(settings, "GET", "/_emulator/health/ready")
    if status != 200:
        raise CommandFailed(f"not ready: {failed_checks_in(body) or f'it answered with status {status}'}")


def failed_checks_in(body: bytes) -> str:
    """The failed checks in the body of a health response; empty when it has none."""
    try:
        checks = json.loads(body)["checks"]
        return "; ".join(f"{name}: {reason}" for name, reason in checks.items() if reason != "ok")
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""


@click.command()
@with_settings
@click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
@click.option("--snapshots", is_flag=True, help="Delete all snapshots, too.")
def reset(settings: Settings, yes: bool, snapshots: bool) -> None:
    """Delete everything in a running emulator: projects, images, models, predictions."""
    confirm(f"Delete everything in the emulator at {_local(settings).training_endpoint()}?", is_agreed=yes)
    control_emulator(settings, "POST", f"/_emulator/reset{'?snapshots=true' if snapshots else ''}")
    print("everything is deleted")


def confirm(question: str, *, is_agreed: bool) -> None:
    """Ask before something is deleted; ends the command unless the user agrees. is_agreed: by ``--yes``."""
    if is_agreed:
        return
    if not sys.stdin.isatty():
        raise SettingError("--yes: required when standard input is not a terminal")
    click.confirm(question, abort=True)


# --- requests to the emulator -------------------------------------------------------------------------------


def query_of(given: Mapping[str, str | None]) -> str:
    """The query string with the parameters that are not None."""
    return urlencode({name: value for name, value in given.items() if value is not None})


def control_emulator(
    settings: Settings,
    method: str,
    path: str,
    body: bytes = b"",
    *,
    timeout: float | None = None,
    subject: str = "",
) -> bytes:
    """Send a request to the control API of the running emulator; returns the body of the response.

    Args:
        timeout: see `call_emulator`.
        subject: begins the message of a refused request, such as the name of a file.

    Raises:
        CommandFailed: the response is an error, whose message it has, or there is none.
    """
    status, content = call_emulator(settings, method, path, body, timeout=timeout)
    refusal = refusal_of(status, content)
    if refusal is not None:
        raise CommandFailed(f"{subject}: {refusal}" if subject and status != 401 else refusal)
    return content


def project_id_of(settings: Settings, project: str) -> str:
    """The id of a project of the running emulator. project: id or name. Raises CommandFailed."""
    listed = json.loads(control_emulator(settings, "GET", "/customvision/v3.3/training/projects"))
    found = [one["id"] for one in listed if project.lower() == one["id"] or project == one["name"]]
    if len(found) != 1:
        raise CommandFailed(
            f"there is no project {project!r}"
            if not found
            else f"{len(found)} projects are named {project!r}"
        )
    return str(found[0])


def refusal_of(status: int, content: bytes) -> str | None:
    """The message of a response that is an error; None of others."""
    if status == 401:
        return _WRONG_KEY
    if status in _SUCCESS:
        return None
    return message_in(content) or f"the emulator responded with status {status}"


def call_emulator(
    settings: Settings,
    method: str,
    path: str,
    body: bytes = b"",
    *,
    timeout: float | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    """Send a request to the running emulator; returns status and body.

    Args:
        timeout: in seconds; None: long for requests with a body, short for others.
        headers: in place of that with the training key. None reaches an upstream (``serve --upstream``).

    Raises:
        CommandFailed: there is no response.
    """
    if timeout is None:
        timeout = WORK_TIMEOUT_SECONDS if body else CONTROL_TIMEOUT_SECONDS
    with control_connection(settings, timeout) as connection:
        given = {"Training-Key": settings.training_keys[0]} if headers is None else headers
        connection.request(method, path, body or None, {**given, "X-Emulator-Mode": "local"})
        response = connection.getresponse()
        return response.status, response.read()


@contextmanager
def control_connection(settings: Settings, timeout: float) -> Iterator[http.client.HTTPConnection]:
    """A connection to the running emulator, within whose context its errors become CommandFailed."""
    if settings.port == 0:
        raise SettingError(NO_PORT)
    address = _local(settings).training_endpoint().partition("://")[2]
    connection = _connection(settings, address, timeout)
    try:
        yield connection
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise CommandFailed(f"no emulator answers at {address}: {reason}") from None
    finally:
        connection.close()


def _connection(settings: Settings, address: str, timeout: float) -> http.client.HTTPConnection:
    if not has_https(settings) or settings.https_port is not None:
        return http.client.HTTPConnection(address, timeout=timeout)
    import ssl

    file = settings.certificate or settings.authority_folder / CERTIFICATE_FILE
    try:
        context = ssl.create_default_context(cafile=file)
    except OSError as error:
        flag = "--https auto" if settings.certificate is None else "--certificate"
        raise CommandFailed(f"{flag}: cannot use {str(file)!r}: {error.strerror or error}") from None
    if settings.certificate is not None:
        # The emulator must have this certificate; its issuer and its name do not matter.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.check_hostname = False
    return http.client.HTTPSConnection(address, timeout=timeout, context=context)


def _local(settings: Settings) -> Settings:
    # The public URL leads to a proxy; these commands address the emulator itself.
    return replace(settings, public_url=None)
