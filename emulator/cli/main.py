"""The command line. Its options are those of `emulator.settings`; what a command does is short."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from emulator import __version__
from emulator.serving.settings import ServingSettings
from emulator.settings import (
    CommandFailed,
    Option,
    SettingError,
    Settings,
    StartRefused,
    load_options,
    load_settings,
    options,
)

PROGRAM = "custom-vision-emulator"
CONTROL_TIMEOUT_SECONDS = 5
WORK_TIMEOUT_SECONDS = 300
WRONG_KEY = "the emulator does not know this training key; give its own with --training-key"
NO_PORT = "--port: 0 does not say where the emulator is; give the port that it printed at its start"

app = typer.Typer(
    name=PROGRAM,
    help="A local emulator of Azure Custom Vision.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Plain text: the library that draws boxes takes longer to import than the command takes to run.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run_command_line() -> None:
    """Run the command in `sys.argv` and end the process. A user's error is one line, never a traceback."""
    try:
        app()
    except SettingError as error:
        _end(2, str(error))
    except (StartRefused, CommandFailed) as error:
        _end(1, str(error))
    except BrokenPipeError:
        # The reader of our output has gone. Nothing more can be said to it, not even by the flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _end(status: int, message: str) -> None:
    print(f"{PROGRAM}: {message}", file=sys.stderr)
    sys.exit(status)


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command every option of `Settings`; it receives them read and checked, as `settings`."""
    return _with_options(command, options(), load_settings, Settings)


def with_serving_settings(command: Callable[..., None]) -> Callable[..., None]:
    """The same with the options of `ServingSettings`; the export itself is no flag but the argument."""
    described = options(ServingSettings)
    del described["model"]

    def load(flags: dict[str, Any]) -> ServingSettings:
        return ServingSettings(**load_options(ServingSettings, flags))

    return _with_options(command, described, load, ServingSettings)


def _with_options(
    command: Callable[..., None],
    described: dict[str, Option],
    load: Callable[[dict[str, Any]], Any],
    of: type,
) -> Callable[..., None]:
    @functools.wraps(command)
    def read_settings(**given: Any) -> None:
        flags = {name: given.pop(name) for name in described}
        command(settings=load(flags), **given)

    parameters = [_parameter(name, one, of) for name, one in described.items()]
    parameters += [
        own.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for own in inspect.signature(command, eval_str=True).parameters.values()
        if own.name != "settings"
    ]
    read_settings.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    read_settings.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del read_settings.__wrapped__  # or its signature would be looked at instead
    return read_settings


def _parameter(name: str, one: Option, of: type) -> inspect.Parameter:
    default = one.default_text or getattr(of, name, "")
    notes = f"[{one.variable}]" if one.switch else f"[{one.variable}; default: {default}]"
    kind: Any = bool if one.switch else list[str] if one.separator else str
    metavar = None if one.switch else one.metavar
    declaration = typer.Option(one.flag, metavar=metavar, help=f"{one.help} {notes}", show_default=False)
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, declaration]
    )


@app.command()
@with_settings
def serve(settings: Settings) -> None:
    """Start the emulator and serve until Ctrl-C or SIGTERM."""
    from emulator.server import run as server
    from emulator.server import uvicorn_server

    try:
        status = server.run(settings)
    except StartRefused as error:
        _end(1, str(error))
    uvicorn_server.exit_now(status)


@app.command("serve-model")
@with_serving_settings
def serve_model(
    settings: ServingSettings,
    export: Annotated[str, typer.Argument(metavar="EXPORT", help="The zip, or a folder with its content.")],
) -> None:
    """Serve one exported model, of the emulator or of the service itself, until Ctrl-C or SIGTERM."""
    from emulator.server import uvicorn_server
    from emulator.serving import program

    uvicorn_server.exit_now(program.run(replace(settings, model=Path(export).absolute())))


@app.command("import-model")
@with_settings
def import_model(
    settings: Settings,
    export: Annotated[str, typer.Argument(metavar="EXPORT", help="The zip of the exported model.")],
    project: Annotated[
        str,
        typer.Option(
            metavar="NAME|ID", help="The project that takes it; one of that name is made if there is none."
        ),
    ],
    publish_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Publish the iteration under this name.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="The name may belong to another iteration, which loses it.")
    ] = False,
    classification_type: Annotated[
        str | None,
        typer.Option(
            metavar="TYPE", help="Multiclass (default) or Multilabel, for exports too old to say which."
        ),
    ] = None,
) -> None:
    """Give a running emulator an exported model, as a trained iteration that can be predicted with."""
    from urllib.parse import urlencode

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
    }
    query = urlencode({name: value for name, value in given.items() if value is not None})
    status, body = call_emulator(settings, "POST", f"/_emulator/models?{query}", content)
    if status == 401:
        raise CommandFailed(WRONG_KEY)
    if status != 200:
        raise CommandFailed(f"{Path(export).name}: {message_in(body) or f'status {status}'}")
    print_import(settings, body)


def print_import(settings: Settings, body: bytes) -> None:
    """Say what came of an import, from the emulator's answer."""
    import json
    from urllib.parse import quote

    answer = json.loads(body)
    new = " (new)" if answer["projectCreated"] else ""
    print(f"project    {answer['projectId']}  {answer['projectName']}{new}")
    print(f"iteration  {answer['iterationId']}  {answer['iterationName']}")
    print(f"tags       {', '.join(tag['name'] for tag in answer['tags'])}")
    if answer["publishName"] is not None:
        kind = "detect" if answer["domainType"] == "ObjectDetection" else "classify"
        name = quote(answer["publishName"], safe="")
        print(
            f"published  {settings.training_endpoint()}/customvision/v3.1/prediction/{answer['projectId']}"
            f"/{kind}/iterations/{name}/image"
        )


def message_in(body: bytes) -> str:
    """The message of an error's body; empty when it is not such a body."""
    import json

    try:
        answer = json.loads(body)
        return str(answer["error"]["message"] if "error" in answer else answer["message"])
    except (ValueError, LookupError, TypeError):
        return ""


@app.command()
@with_settings
def env(
    settings: Settings,
    shell: Annotated[Literal["sh", "powershell", "cmd"], typer.Option(help="The shell to write for.")] = "sh",
) -> None:
    """Print the variables that Microsoft's quickstarts read: eval "$(custom-vision-emulator env)"."""
    variables = quickstart_variables(settings)
    for name, value in variables.items():
        print(assignment(shell, name, value))


def quickstart_variables(settings: Settings) -> dict[str, str]:
    """The environment variables that Microsoft's quickstarts read, for the emulator of these settings."""
    if settings.port == 0 and settings.public_url is None:
        raise SettingError(NO_PORT)
    endpoint = settings.training_endpoint()
    return {
        "VISION_TRAINING_ENDPOINT": endpoint,
        "VISION_TRAINING_KEY": settings.training_keys[0],
        "VISION_PREDICTION_ENDPOINT": endpoint,
        "VISION_PREDICTION_KEY": settings.prediction_keys[0],
        "VISION_PREDICTION_RESOURCE_ID": settings.prediction_resource_id,
    }


def assignment(shell: str, name: str, value: str) -> str:
    """The line that sets an environment variable in a shell, whatever characters the value has."""
    if shell == "powershell":
        quoted = value.replace("'", "''")
        return f"$env:{name} = '{quoted}'"
    if shell == "cmd":
        # Only % keeps its meaning inside the quotes, and no spelling takes it away at the prompt too.
        return f'set "{name}={value}"'
    quoted = value.replace("'", "'\"'\"'")
    return f"export {name}='{quoted}'"


@app.command()
@with_settings
def health(settings: Settings) -> None:
    """Ask a running emulator whether it is ready: exit status 0 when it is, otherwise 1 and the reason."""
    check_health(settings)
    print("ready")


def check_health(settings: Settings) -> None:
    """Raise `CommandFailed` with the reason unless the running emulator is ready."""
    status, body = call_emulator(settings, "GET", "/_emulator/health/ready")
    if status != 200:
        raise CommandFailed(f"not ready: {failed_checks_in(body) or f'it answered with status {status}'}")


def failed_checks_in(body: bytes) -> str:
    """The checks that failed, from the body of a health answer; empty when it is not such a body."""
    import json

    try:
        checks = json.loads(body)["checks"]
        return "; ".join(f"{name}: {reason}" for name, reason in checks.items() if reason != "ok")
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""


@app.command()
@with_settings
def reset(
    settings: Settings,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete everything in a running emulator: projects, images, models, predictions."""
    if not yes:
        if not sys.stdin.isatty():
            raise SettingError("--yes: must be given where nobody can be asked")
        typer.confirm(
            f"Delete everything in the emulator at {_local(settings).training_endpoint()}?", abort=True
        )
    status, _ = call_emulator(settings, "POST", "/_emulator/reset")
    if status == 401:
        raise CommandFailed(WRONG_KEY)
    if status not in (200, 204):
        raise CommandFailed(f"the emulator answered with status {status}; nothing is certain about its state")
    print("everything is deleted")


def call_emulator(settings: Settings, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """The status and body that the running emulator answers; `CommandFailed` when there is no answer."""
    import http.client

    if settings.port == 0:
        raise SettingError(NO_PORT)
    address = _local(settings).training_endpoint().removeprefix("http://")
    timeout = WORK_TIMEOUT_SECONDS if body else CONTROL_TIMEOUT_SECONDS
    connection = http.client.HTTPConnection(address, timeout=timeout)
    try:
        connection.request(method, path, body or None, {"Training-Key": settings.training_keys[0]})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise CommandFailed(f"no emulator answers at {address}: {reason}") from None
    finally:
        connection.close()


def _local(settings: Settings) -> Settings:
    # The public URL leads through whatever stands in front; these commands mean the program itself.
    return replace(settings, public_url=None)


models = typer.Typer(
    help="Networks that trainings start from: those that come with the program, and your own.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(models, name="models")


@models.command("add")
@with_settings
def add_model(
    settings: Settings,
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="Weights of a classification network of torchvision."),
    ],
    architecture: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="torchvision's name of the network; else it is found out."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="What to call it; else as the architecture.")
    ] = None,
    licence: Annotated[
        str, typer.Option(metavar="TEXT", help="The licence you have the weights under; kept and shown.")
    ] = "",
    resolution: Annotated[
        int | None,
        typer.Option(metavar="PIXELS", help="Side of the pictures; else as the network was published."),
    ] = None,
) -> None:
    """Give advanced trainings another network to try: a file of weights (.pth, .safetensors) of your own."""
    from datetime import UTC, datetime

    from emulator.cli import networks as model_commands

    said = model_commands.add(
        file,
        model_commands.folder_of(settings),
        now=lambda: datetime.now(UTC),
        architecture=architecture,
        name=name,
        licence=licence,
        resolution=resolution,
    )
    print("\n".join(said))


@models.command("list")
@with_settings
def list_models(
    settings: Settings,
    as_json: Annotated[bool, typer.Option("--json", help="Everything that is known, as JSON.")] = False,
) -> None:
    """Show the networks that trainings start from."""
    from emulator.cli import networks as model_commands

    folder = model_commands.folder_of(settings)
    print("\n".join(model_commands.listing(folder, as_json=as_json)))


@models.command("remove")
@with_settings
def remove_model(
    settings: Settings, name: Annotated[str, typer.Argument(metavar="NAME", help="As it was added.")]
) -> None:
    """Take away a network of your own; models that were trained with it go on working."""
    from emulator.cli import networks as model_commands

    model_commands.remove(model_commands.folder_of(settings), name)
    print(f"removed  {name}")


@app.command()
def evaluate(
    folder: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER",
            help="Labelled pictures: a folder for each tag, labels.jsonl, COCO's or YOLO's boxes.",
        ),
    ],
    domain: Annotated[str, typer.Option(metavar="NAME|ID", help="The domain to train in.")] = "General",
    advanced: Annotated[
        float | None, typer.Option(metavar="MINUTES", help="Train as well as these minutes allow.")
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER", help="Pictures to test with; else those of the split test, or cross-validation."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="NUMBER", help="Of all that is random.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Train on labelled pictures, without a server, and print how good the model is on unseen ones."""
    from emulator.cli import evaluate as evaluation
    from emulator.vision.imaging.decode import silence_pillow_warnings

    silence_pillow_warnings()
    done = evaluation.run(
        folder, domain=domain, budget=None if advanced is None else 60 * advanced, test=test, seed=seed
    )
    print(evaluation.as_json(done) if as_json else evaluation.as_table(done))


@app.command()
def version() -> None:
    """Print the version."""
    print(f"{PROGRAM} {__version__}")
