"""The demonstration that `make demo` runs: from images to predictions, through the official Python SDK.

Starts the emulator (or uses the running one), creates a project with a tag for each subfolder of
images, uploads, trains, publishes, predicts images that are not in the training set, and prints the time
of each step. The emulator is left running.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import platformdirs
from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
from azure.cognitiveservices.vision.customvision.training.models import (
    ImageFileCreateBatch,
    ImageFileCreateEntry,
)
from msrest.authentication import ApiKeyCredentials
from msrest.exceptions import ClientException, HttpOperationError
from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from emulator.cli.control import check_health
from emulator.cli.errors import CommandFailed
from emulator.settings import DEFAULT_PORT, Settings, StartRefused, load_settings

DESCRIPTION = "Made by make demo, which replaces it when it is run again."
PUBLISHED_NAME = "demo"
UNSEEN = "unseen"
SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png"}
FEWEST_IMAGES = 5
BATCH = 64
ROWS_SHOWN = 30
START_PATIENCE_SECONDS = 60

console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())


class DemoFailed(Exception):
    """The demonstration cannot continue; the message states the reason and a remedy."""


@dataclass
class Photographs:
    """The images of each tag: those to train on and those held out for prediction."""

    training: dict[str, list[Path]] = field(default_factory=dict)
    unseen: dict[str, list[Path]] = field(default_factory=dict)


@dataclass
class Stopwatch:
    """The finished steps and the seconds that each took."""

    steps: list[tuple[str, float]] = field(default_factory=list)

    @contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """Time a step. Meanwhile a terminal shows the elapsed time and the progress towards `total`."""
        counted = [BarColumn(bar_width=16), MofNCompleteColumn()] if total else []
        columns = [SpinnerColumn("line"), TextColumn("{task.description}"), *counted, TimeElapsedColumn()]
        progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        task = progress.add_task(name, total=total)
        if not console.is_terminal:
            console.print(f"  {name} ...")
        started = time.perf_counter()
        with progress:
            yield lambda number: progress.advance(task, number)
        self.steps.append((name, time.perf_counter() - started))
        if console.is_terminal:
            console.print(f"[green]*[/] {name} [dim]{self.steps[-1][1]:.1f} s[/]")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--images", type=Path, help="folder of photographs, one subfolder for each tag")
    parser.add_argument("--port", help="port of the emulator (10010)")
    parser.add_argument("--folder", type=Path, help="folder for the photographs, the state and the log")
    arguments = parser.parse_args()
    folder = arguments.folder or platformdirs.user_data_path("custom-vision-emulator-demo", appauthor=False)
    try:
        settings = load_settings({"port": arguments.port, "data": str(folder / "state")})
        stopwatch = Stopwatch()
        photographs = find_photographs(arguments.images or make_photographs(folder / "photographs"))
        console.print(f"\n[bold]Custom Vision Emulator[/]  {settings.training_endpoint()}")
        source = arguments.images or "crops of photographs in the package scikit-image (CC0)"
        console.print(Text(f"Photographs: {source}\n"), soft_wrap=True)
        with stopwatch.step("Start the emulator"):
            running = start_emulator(settings, folder / "emulator.log")
        job = Job(settings, photographs, stopwatch)
        job.run()
        job.show_predictions()
        job.show_performance()
        show_times(stopwatch)
        show_what_is_next(job, folder, running)
    except (DemoFailed, StartRefused, CommandFailed) as error:
        return complain(str(error))
    except (HttpOperationError, ClientException) as error:
        return complain(f"the emulator responded: {error}")
    except KeyboardInterrupt:
        console.print("\nStopped. The emulator keeps running if it was started.")
        return 130
    return 0


def complain(message: str) -> int:
    console.print()
    console.print(Text("make demo: ", style="bold red") + Text(message), soft_wrap=True)
    return 1


# --- photographs ------------------------------------------------------------------------------------------


def make_photographs(folder: Path) -> Path:
    """The built-in images, generated once."""
    script = Path(__file__).with_name("demo_images.py")
    if not (folder / UNSEEN).is_dir():
        made = subprocess.run([sys.executable, str(script), str(folder)], capture_output=True, text=True)
        if made.returncode:
            raise DemoFailed(f"the photographs could not be made: {made.stderr.strip()}")
    return folder


def find_photographs(folder: Path) -> Photographs:
    """The images in the subfolders of a folder, which are named after the tags.

    Images in ``unseen/TAG`` are held out; without that folder, every fifth image is.
    """
    if not folder.is_dir():
        raise DemoFailed(f"there is no folder {folder}")
    tags = sorted(sub for sub in folder.iterdir() if sub.is_dir() and not sub.name.startswith("."))
    tags = [sub for sub in tags if sub.name != UNSEEN]
    if len(tags) < 2:
        raise DemoFailed(
            f"{folder} needs at least two subfolders, each with the name of a tag, but has {len(tags)}"
        )
    found = Photographs()
    for sub in tags:
        training = photographs_in(sub)
        unseen = photographs_in(folder / UNSEEN / sub.name)
        if not unseen:
            unseen = training[::5] if len(training) > FEWEST_IMAGES else []
            training = [path for path in training if path not in unseen]
        if len(training) < FEWEST_IMAGES or not unseen:
            raise DemoFailed(
                f"{sub} needs at least {FEWEST_IMAGES + 1} photographs ({', '.join(sorted(SUFFIXES))}): "
                f"{FEWEST_IMAGES} to train on and one to predict"
            )
        found.training[sub.name] = training
        found.unseen[sub.name] = unseen
    return found


def photographs_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DemoFailed(f"cannot read {path}: {error.strerror}") from None


# --- the emulator -----------------------------------------------------------------------------------------


def start_emulator(settings: Settings, log: Path) -> bool:
    """Start an emulator unless one is running. True when it was started, False when it was running."""
    try:
        check_health(settings)
        return False
    except CommandFailed:
        pass
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "emulator",
        "serve",
        "--port",
        str(settings.port),
        "--data",
        str(settings.data),
    ]
    detached: dict[str, Any] = (
        {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS}
        if sys.platform == "win32"
        else {"start_new_session": True}
    )
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, **detached
        )
    deadline = time.monotonic() + START_PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            check_health(settings)
            return True
        except CommandFailed as error:
            if process.poll() is not None:
                lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
                raise DemoFailed(f"the emulator did not start: {lines[-1] if lines else error}") from None
            time.sleep(0.05)
    raise DemoFailed(f"the emulator was not ready after {START_PATIENCE_SECONDS} s; see {log}")


# --- the job ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Predicted:
    """The prediction of the published iteration for an image; `tag` is None when the request failed."""

    path: Path
    true_tag: str
    tag: str | None
    probability: float
    problem: str = ""


class Job:
    """A project from its creation to the predictions of its published iteration."""

    def __init__(self, settings: Settings, photographs: Photographs, stopwatch: Stopwatch) -> None:
        endpoint = replace(settings, public_url=None).training_endpoint()
        self.settings = settings
        self.photographs = photographs
        self.stopwatch = stopwatch
        self.trainer = CustomVisionTrainingClient(
            endpoint, ApiKeyCredentials(in_headers={"Training-key": settings.training_keys[0]})
        )
        self.predictor = CustomVisionPredictionClient(
            endpoint, ApiKeyCredentials(in_headers={"Prediction-key": settings.prediction_keys[0]})
        )
        self.name = "Demonstration: " + ", ".join(photographs.training)
        self.project: Any = None
        self.iteration: Any = None
        self.predicted: list[Predicted] = []

    def run(self) -> None:
        tags = self.photographs.training
        with self.stopwatch.step(f"Create a project with {len(tags)} tags"):
            self.delete_earlier()
            self.project = self.trainer.create_project(
                self.name, description=DESCRIPTION, classification_type="Multiclass"
            )
            tag_ids = {name: self.trainer.create_tag(self.project.id, name).id for name in tags}
        count = sum(len(paths) for paths in tags.values())
        with self.stopwatch.step(f"Upload {count} photographs, {BATCH} at a time", count) as advance:
            self.upload(tag_ids, advance)
        with self.stopwatch.step("Train"):
            self.train()
        with self.stopwatch.step("Publish"):
            self.trainer.publish_iteration(
                self.project.id, self.iteration.id, PUBLISHED_NAME, self.settings.prediction_resource_id
            )
        unseen = [(path, tag) for tag, paths in self.photographs.unseen.items() for path in paths]
        name = f"Predict {len(unseen)} unseen photographs"
        with self.stopwatch.step(name, len(unseen)) as advance:
            for path, tag in unseen:
                self.predicted.append(self.predict(path, tag))
                advance(1)

    def delete_earlier(self) -> None:
        """Delete the projects of earlier runs with these tags."""
        for project in self.trainer.get_projects():
            if project.name != self.name or project.description != DESCRIPTION:
                continue
            for iteration in self.trainer.get_iterations(project.id):
                if iteration.publish_name:
                    self.trainer.unpublish_iteration(project.id, iteration.id)
            self.trainer.delete_project(project.id)

    def upload(self, tag_ids: dict[str, str], advance: Callable[[int], None]) -> None:
        entries = [(path, tag) for tag, paths in self.photographs.training.items() for path in paths]
        refused: dict[str, str] = {}
        accepted = dict.fromkeys(tag_ids, 0)
        for start in range(0, len(entries), BATCH):
            batch = entries[start : start + BATCH]
            images = [
                ImageFileCreateEntry(name=name_of(path), contents=read(path), tag_ids=[tag_ids[tag]])
                for path, tag in batch
            ]
            summary = self.trainer.create_images_from_files(
                self.project.id, ImageFileCreateBatch(images=images)
            )
            tag_of = {name_of(path): tag for path, tag in batch}
            for image in summary.images:
                if image.status in ("OK", "OKDuplicate"):
                    accepted[tag_of[image.source_url]] += image.status == "OK"
                else:
                    refused[image.source_url] = image.status
            advance(len(batch))
        for name, status in refused.items():
            console.print(Text(f"  not used: {name} ({status})", style="yellow"))
        for tag, number in accepted.items():
            if number < FEWEST_IMAGES:
                raise DemoFailed(
                    f"{tag}: only {number} photographs could be used; training needs {FEWEST_IMAGES}"
                )

    def train(self) -> None:
        self.iteration = self.trainer.train_project(self.project.id)
        while self.iteration.status not in ("Completed", "Failed"):
            time.sleep(0.1)
            self.iteration = self.trainer.get_iteration(self.project.id, self.iteration.id)
        if self.iteration.status == "Failed":
            reason = getattr(self.iteration, "training_error_details", None) or "no reason was given"
            raise DemoFailed(f"the training failed: {reason}")

    def predict(self, path: Path, true_tag: str) -> Predicted:
        try:
            result = self.predictor.classify_image(self.project.id, PUBLISHED_NAME, read(path))
        except HttpOperationError as error:
            return Predicted(path, true_tag, None, 0.0, str(error).partition("(")[0].strip())
        best = max(result.predictions, key=lambda prediction: prediction.probability)
        return Predicted(path, true_tag, best.tag_name, best.probability)

    # --- output -------------------------------------------------------------------------------------

    def show_predictions(self) -> None:
        table = Table(box=box.SIMPLE_HEAD, title="Photographs that it has not seen", title_justify="left")
        table.add_column("Photograph", overflow="ellipsis", no_wrap=True)
        table.add_column("Is", overflow="ellipsis", no_wrap=True)
        table.add_column("Predicted", overflow="ellipsis", no_wrap=True)
        table.add_column("Probability", justify="right", no_wrap=True, min_width=11)
        table.add_column("", no_wrap=True, min_width=5)
        # Of a long list, all mistakes are shown.
        shown = sorted(self.predicted, key=lambda one: one.tag == one.true_tag)[:ROWS_SHOWN]
        for one in self.predicted:
            if one not in shown:
                continue
            right = one.tag == one.true_tag
            table.add_row(
                Text(one.path.name),
                Text(one.true_tag),
                Text(one.tag if one.tag is not None else one.problem),
                f"{one.probability:.1%}" if one.tag is not None else "",
                "[green]right[/]" if right else "[bold red]wrong[/]",
            )
        console.print()
        console.print(table)
        if len(shown) < len(self.predicted):
            console.print(f"  ... and {len(self.predicted) - len(shown)} more, all of them right")
        right = sum(one.tag == one.true_tag for one in self.predicted)
        console.print(f"  [bold]{right} of {len(self.predicted)} right[/]\n")

    def show_performance(self) -> None:
        performance = self.trainer.get_iteration_performance(
            self.project.id, self.iteration.id, threshold=0.5
        )
        table = Table(box=box.SIMPLE_HEAD, title="Performance at threshold 0.5", title_justify="left")
        for name in ("Tag", "Precision", "Recall", "Average precision"):
            table.add_column(name, justify="left" if name == "Tag" else "right", no_wrap=True)
        for tag in performance.per_tag_performance:
            table.add_row(Text(tag.name), *figures(tag))
        table.add_section()
        table.add_row("all", *figures(performance))
        console.print(table)
        console.print("  Each photograph was predicted by a model that was not trained on it.\n")


def figures(performance: Any) -> tuple[str, str, str]:
    return (
        f"{performance.precision:.1%} ± {performance.precision_std_deviation:.1%}",
        f"{performance.recall:.1%} ± {performance.recall_std_deviation:.1%}",
        f"{performance.average_precision:.1%}",
    )


def show_times(stopwatch: Stopwatch) -> None:
    table = Table(box=box.SIMPLE_HEAD, title="Duration of each step", title_justify="left")
    table.add_column("Step", no_wrap=True, overflow="ellipsis")
    table.add_column("Seconds", justify="right", no_wrap=True)
    for name, seconds in stopwatch.steps:
        table.add_row(name, f"{seconds:.2f}")
    table.add_section()
    table.add_row("all", f"{sum(seconds for _, seconds in stopwatch.steps):.2f}")
    console.print(table)


def show_what_is_next(job: Job, folder: Path, started_here: bool) -> None:
    """Print the address of the emulator, next steps, and how to stop it."""
    endpoint = replace(job.settings, public_url=None).training_endpoint()
    image = job.predicted[0].path
    path = f"/customvision/v3.1/prediction/{job.project.id}/classify/iterations/{PUBLISHED_NAME}/image"
    options = "" if job.settings.port == DEFAULT_PORT else f" --port {job.settings.port}"
    say = partial(console.print, soft_wrap=True, markup=False)
    say()
    say(f"The emulator goes on running at {endpoint}. To try next:", style="bold")
    say("\nPredict once more:")
    say(f'  curl -H "Prediction-Key: {job.settings.prediction_keys[0]}" \\')
    say('    -H "Content-Type: application/octet-stream" \\')
    say(f'    --data-binary "@{image}" \\')
    say(f"    {endpoint}{path}")
    say("\nThe same with your own photographs, one subfolder for each tag:")
    say("  make demo IMAGES=folder")
    say("\nYour own program, with the variables of Microsoft's quickstarts:")
    say(f'  eval "$({program()} env{options})"')
    owner = folder / "state" / "emulator.pid"
    if owner.is_file():
        process = owner.read_text(encoding="ascii").strip()
        say(f"\nStop it (its data is in {folder}):")
        say(f"  {'taskkill /F /PID' if os.name == 'nt' else 'kill'} {process}")
    elif not started_here:
        say("\nIt was already running before the demonstration.")


def program() -> str:
    """The command line program of this environment."""
    script = Path(sys.executable).with_name("custom-vision-emulator")
    with suppress(ValueError):
        script = script.relative_to(Path.cwd())
    return str(script)


if __name__ == "__main__":
    sys.exit(main())
