"""Options, links, commands and programs in the documentation are correct."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import httpx
import pytest
from click import Context, Group

from emulator.cli.main import PROGRAM, app
from emulator.serving.settings import ServingSettings
from emulator.settings import (
    DEFAULT_PREDICTION_KEYS,
    DEFAULT_TRAINING_KEYS,
    ENVIRONMENT_PREFIX,
    Settings,
)
from emulator.settings.option_fields import options
from tests.support.harness import files_body, wait_until
from tests.support.images import picture, pictures

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(path for folder in ("docs", "models", "api_spec") for path in (ROOT / folder).rglob("*.md")),
]
BLOCK = re.compile(r"^(<!-- runnable(?:: [^\n]*)? -->\n)?```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Marks blocks that use $PROJECT, $ITERATION and $TAG.
OF_A_TRAINED_PROJECT = "<!-- runnable: of a project that is trained -->"
PATIENCE_SECONDS = 600


@dataclass(frozen=True)
class Block:
    page: str
    language: str
    text: str
    runnable: bool
    needs_a_project: bool = False


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(page.name, match[2], match[3], bool(match[1]), OF_A_TRAINED_PROJECT in (match[1] or ""))
        for match in BLOCK.finditer(text)
    ]


# The page of the library needs images instead of a server.
LIBRARY = "library.md"
RUNNABLE = [block for page in PAGES for block in blocks(page) if block.runnable and block.page != LIBRARY]


# --- options ----------------------------------------------------------------------------------------------


def test_the_table_of_options_is_complete() -> None:
    defaults = {one.name: one.default for one in fields(Settings)}
    expected = []
    for name, one in options(Settings).items():
        default = one.default_text or ("off" if one.switch else f"`{defaults[name]}`")
        expected.append(f"| `{one.flag}` | `{one.variable}` | {default} | {one.help} |")
    text = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if line.startswith("| `--")] == expected


def test_the_table_of_options_of_serve_model_is_complete() -> None:
    defaults = {one.name: one.default for one in fields(ServingSettings)}
    text = (ROOT / "docs" / "serve-model.md").read_text(encoding="utf-8")
    for name, one in options(ServingSettings).items():
        default = one.default_text or f"`{defaults[name]}`"
        line = f"| `{one.flag}` | `{one.variable}` | {default} | {one.help} |"
        assert (line in text) == (name != "model")


@pytest.mark.parametrize(
    "path", [*PAGES, ROOT / "docker" / "Dockerfile", ROOT / "docker" / "compose.yaml"], ids=str
)
def test_flags_and_variables_that_are_named_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    known = {one.variable for one in (*options(Settings).values(), *options(ServingSettings).values())}
    assert set(re.findall(ENVIRONMENT_PREFIX + r"[A-Z_]+", text)) <= known
    for name, arguments in _commands(text):
        flags = _flags_of(name, arguments)
        named = {argument.partition("=")[0] for argument in arguments if argument.startswith("--")}
        assert named <= flags, (name, arguments)


def _commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Names and arguments of commands in blocks and in the text, without those after ``--``."""
    joined = text.replace("\\\n", " ")
    names = "|".join(app.list_commands(Context(app)))
    for name, rest in (
        *re.findall(rf"\b{PROGRAM} (?!{PROGRAM})([a-z][a-z-]*)\b([^`\n|#)]*)", joined),
        *re.findall(rf"`({names}) (?!=)([^`\n]+)`", joined),
    ):
        yield name, list(itertools.takewhile(lambda argument: argument != "--", rest.split()))


def _flags_of(name: str, arguments: Sequence[str]) -> set[str]:
    """The flags of a command, or of the command of a group that is the first argument."""
    command = app.get_command(Context(app), name)
    assert command is not None, f"there is no command {name}"
    if isinstance(command, Group) and arguments:
        command = command.get_command(Context(command), arguments[0])
        assert command is not None, f"there is no command {name} {arguments[0]}"
    return {flag for one in command.params if one.param_type_name == "option" for flag in one.opts}


def test_the_readme_has_the_well_known_keys_and_id() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for value in (*DEFAULT_TRAINING_KEYS, *DEFAULT_PREDICTION_KEYS, Settings().prediction_resource_id):
        assert f"`{value}`" in text


def test_targets_named_in_the_documentation_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for page in PAGES:
        named = re.findall(
            r"(?:`|^|\s)make ([a-z-]+)\b(?=[`\s]*(?:[A-Z#]|`|$))", page.read_text(encoding="utf-8")
        )
        assert set(named) <= targets, page.name


# --- links ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_files_on_the_architecture_page_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_]+/[a-z_/]*(?:\.py|/)?)`", text))
    assert len(named) > 40
    assert [
        name
        for name in sorted(named)
        if not any((root / name).exists() for root in (ROOT, ROOT / "emulator"))
    ] == []


# --- commands and programs --------------------------------------------------------------------------------


def test_there_is_something_to_run() -> None:
    assert {block.language for block in RUNNABLE} == {"sh", "python"}


@pytest.fixture(scope="module")
def program_on_the_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an executable `custom-vision-emulator`."""
    folder = tmp_path_factory.mktemp("path")
    program = folder / "custom-vision-emulator"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m emulator "$@"\n')
    program.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def environment(
    tmp_path_factory: pytest.TempPathFactory, program_on_the_path: Path
) -> Iterator[dict[str, str]]:
    """The variables of the quickstarts for a running emulator, with its program on the path."""
    log = tmp_path_factory.mktemp("serve") / "errors"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("CUSTOM_", "VISION_"))}
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "emulator", "serve", "--ephemeral", "--port", "0", "--quiet"],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=clean,
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "ready at" in line, log.read_text()
    endpoint = line.split()[-1]
    settings = Settings()
    yield {
        **clean,
        "PYTHONPATH": str(ROOT),
        "PATH": f"{program_on_the_path}{os.pathsep}{clean['PATH']}",
        "CUSTOM_VISION_EMULATOR_PORT": endpoint.rpartition(":")[2],
        "VISION_TRAINING_ENDPOINT": endpoint,
        "VISION_TRAINING_KEY": settings.training_keys[0],
        "VISION_PREDICTION_ENDPOINT": endpoint,
        "VISION_PREDICTION_KEY": settings.prediction_keys[0],
        "VISION_PREDICTION_RESOURCE_ID": settings.prediction_resource_id,
    }
    process.terminate()
    process.wait(timeout=PATIENCE_SECONDS)
    process.stdout.close()


@pytest.fixture(scope="module")
def of_a_project(environment: dict[str, str]) -> dict[str, str]:
    """Adds the ids of a project, of one of its tags, and of a trained iteration."""
    endpoint = f"{environment['VISION_TRAINING_ENDPOINT']}/customvision/v3.3/training"
    headers = {"Training-Key": environment["VISION_TRAINING_KEY"]}
    with httpx.Client(headers=headers, trust_env=False, timeout=60) as client:

        def sent(method: str, path: str, **more: Any) -> Any:
            response = client.request(method, f"{endpoint}{path}", **more)
            assert response.is_success, response.text
            return response.json()

        made = sent("POST", "/projects", params={"name": "docs", "classificationType": "Multiclass"})
        project = f"/projects/{made['id']}"
        for color in ("red", "blue"):
            tag = sent("POST", f"{project}/tags", params={"name": color})["id"]
            sent("POST", f"{project}/images/files", json=files_body(pictures(5, color), [tag]))
        iteration = sent("POST", f"{project}/train")["id"]
        path = f"{project}/iterations/{iteration}"
        wait_until(lambda: sent("GET", path)["status"] == "Completed", "a training", PATIENCE_SECONDS)
    return {**environment, "PROJECT": made["id"], "ITERATION": iteration, "TAG": tag}


def ids(block: Block) -> str:
    return f"{block.page}: {block.text.splitlines()[0][:40]}"


@pytest.mark.skipif(os.name != "posix", reason="these commands are for a POSIX shell")
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is missing: install curl to run this")
@pytest.mark.parametrize("block", [one for one in RUNNABLE if one.language == "sh"], ids=ids)
def test_commands_run(
    block: Block, environment: dict[str, str], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    variables = request.getfixturevalue("of_a_project") if block.needs_a_project else environment
    (tmp_path / "photograph.jpg").write_bytes(picture(99, format="JPEG"))  # that commands upload
    ran = subprocess.run(
        ["sh", "-eu", "-c", block.text],
        capture_output=True,
        text=True,
        env=variables,
        cwd=tmp_path,
        timeout=PATIENCE_SECONDS,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.slow
def test_the_program_of_the_readme_runs(environment: dict[str, str], tmp_path: Path) -> None:
    (program,) = [one for one in RUNNABLE if one.language == "python"]
    photographs = made_photographs(tmp_path / "made")
    unseen = photographs / "unseen"
    tags = sorted(folder.name for folder in unseen.iterdir())
    (tmp_path / "photos").mkdir()
    for tag in tags:
        shutil.copytree(photographs / tag, tmp_path / "photos" / tag)
    shutil.copy(next((unseen / tags[0]).glob("*.jpg")), tmp_path / "unseen.jpg")
    ran = subprocess.run(
        [sys.executable, "-c", program.text],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        timeout=PATIENCE_SECONDS,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    # All tags of the project, the most probable first.
    printed = re.findall(r"^(.+): [\d.]+%$", ran.stdout, re.MULTILINE)
    assert printed[0] == tags[0]
    assert sorted(printed) == tags


def made_photographs(folder: Path) -> Path:
    subprocess.run([sys.executable, str(ROOT / "tools" / "demo_images.py"), str(folder)], check=True)
    return folder


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="these commands are for a POSIX shell")
def test_the_examples_of_the_library_page_run(program_on_the_path: Path, tmp_path: Path) -> None:
    unseen = made_photographs(tmp_path / "photos") / "unseen"
    shutil.copy(next((unseen / "brick").glob("*.jpg")), tmp_path / "unseen.jpg")
    shown = [one for one in blocks(ROOT / "docs" / LIBRARY) if one.runnable]
    commands = "".join(one.text for one in shown if one.language == "sh")
    programs = "".join(one.text for one in shown if one.language == "python")
    path = f"{program_on_the_path}{os.pathsep}{os.environ['PATH']}"
    outputs = []
    for command in (["sh", "-eu", "-c", commands], [sys.executable, "-c", programs]):
        ran = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": path},
            cwd=tmp_path,
            timeout=PATIENCE_SECONDS,
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        outputs.append(ran.stdout)
    assert outputs[0].startswith("tag     images  precision  recall     AP\n")
    assert "48 images in " in outputs[0]
    assert '"images": 12,' in outputs[0]
    printed = outputs[1].splitlines()
    assert printed[0].startswith("48 images in ")
    assert printed[1].startswith("brick: ")
    assert printed[4].startswith("brick: 4 images, precision ")
    assert printed[-3:] == [
        str(Path("exports", "TensorFlow.TensorFlowLite.zip")),
        "The training was cancelled.",
        "dark",
    ]


def test_every_option_of_evaluate_is_on_its_page() -> None:
    from emulator.cli.evaluate import evaluate as command

    flags = {flag for one in command.params if one.param_type_name == "option" for flag in one.opts}
    text = (ROOT / "docs" / LIBRARY).read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(--[a-z]+)", text, re.MULTILINE)) == flags - {"--help", "-h"}
    for line in re.findall(r"custom-vision-emulator evaluate\b([^`\n|#)]*)", text):
        assert set(re.findall(r"--[a-z-]+", line)) <= flags


def test_programs_of_other_languages_name_the_variables() -> None:
    spoken = {block.language: block.text for block in blocks(ROOT / "docs" / "clients.md")}
    for language in ("python", "js", "csharp", "java", "go"):
        for variable in ("VISION_TRAINING_ENDPOINT", "VISION_TRAINING_KEY", "VISION_PREDICTION_KEY"):
            assert variable in spoken[language], language
