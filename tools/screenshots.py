"""Take the pictures of the documentation, from the real application: docs/images/portal-*.webp.

    python tools/screenshots.py [NAME ...] [--folder docs/images]

Starts an emulator without persistent state, with three projects of real photographs: a classifier that is
trained on the photographs of `make demo`, three of which get a wrong tag on purpose, and coins with boxes,
half of them labeled, and anomaly detection of bricks. Then each picture of SHOTS is taken in headless
Chromium. Needs the built portal (`make portal`), the extras `demo` and `test`, and Chromium; without
Chromium it prints a message and writes nothing.
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import httpx
from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
from azure.cognitiveservices.vision.customvision.training.models import (
    ImageFileCreateBatch,
    ImageFileCreateEntry,
    Iteration,
    Region,
)
from msrest.authentication import ApiKeyCredentials
from PIL import Image

from emulator.settings import DEFAULT_PREDICTION_KEYS, DEFAULT_PREDICTION_RESOURCE_ID, DEFAULT_TRAINING_KEYS

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).parents[1]
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
# Photographs that are uploaded with the tag of another folder: (folder, tag, number of photographs).
WRONG_TAGS = (("gravel", "brick", 2), ("grass", "gravel", 1))
WIDTH, HEIGHT = 1280, 800
QUALITY = 75
SETTLE_MS = 1000
PATIENCE_SECONDS = 180
# Windows of the photograph of coins: their sides in pixels, and how much larger they are stored.
COIN_WINDOW, COIN_STEP, COIN_SCALE = (192, 152), (64, 50), 4
SMALLEST_COIN = 400  # pixels
ANOMALY_DETECTION = "2f02d4b1-bf70-4825-8148-07fe427e5273"


class Projects(NamedTuple):
    """Ids of what the pictures show. images: three photographs that no project has."""

    ground: str
    first: str
    second: str
    coins: str
    bricks: str
    unseen: list[Path]


class Shot(NamedTuple):
    """One picture: its name, the path below /portal/, and what is done before it is taken."""

    name: str
    path: Callable[[Projects], str]
    prepare: Callable[[Page, Projects], None] = lambda page, projects: None
    scheme: str = "light"
    size: tuple[int, int] = (WIDTH, HEIGHT)


def open_a_wrong_cell(page: Page, _projects: Projects) -> None:
    """Gravel that was tagged as brick."""
    matrix = page.get_by_role("region", name="Confusion matrix")
    matrix.get_by_role("button", name=re.compile("'brick' predicted as 'gravel'")).click()


def wait_for_the_map(page: Page, _projects: Projects) -> None:
    """The features of the images are computed when the map is opened for the first time."""
    page.locator("main canvas").first.wait_for(timeout=1000 * PATIENCE_SECONDS)


def drop_unseen_images(page: Page, projects: Projects) -> None:
    page.locator("input[type=file]").first.set_input_files([str(path) for path in projects.unseen])


def show_damage(page: Page, projects: Projects) -> None:
    """A photograph of bricks with a patch of gravel, and its heat map."""
    by_tag = {path.parent.name: path for path in projects.unseen}
    wall = Image.open(by_tag["brick"]).convert("RGB")
    patch = Image.open(by_tag["gravel"]).convert("RGB").resize((wall.width // 5, wall.height // 6))
    wall.paste(patch, (wall.width // 2, wall.height // 3))
    photograph = BytesIO()
    wall.save(photograph, "JPEG", quality=90)
    page.locator("input[type=file]").first.set_input_files(
        {"name": "wall-17.jpg", "mimeType": "image/jpeg", "buffer": photograph.getvalue()}
    )
    page.get_by_role("switch", name="Heat map").check(force=True)
    page.get_by_test_id("heat-map-text").wait_for()


def choose_a_data_set(page: Page, projects: Projects) -> None:
    """The coins as COCO, for another project."""
    archive = page.request.get(
        f"/_emulator/projects/{projects.coins}/dataSet?format=coco",
        headers={"Training-Key": DEFAULT_TRAINING_KEYS[0]},
    ).body()
    files = page.locator("[role=dialog] input[type=file]:not([webkitdirectory])")
    files.set_input_files({"name": "greek-coins.zip", "mimeType": "application/zip", "buffer": archive})
    page.get_by_role("region", name="Content of the data set").wait_for()


SHOTS = (
    Shot("projects", lambda ids: "projects"),
    Shot("data-set", lambda ids: "projects?dialog=import", choose_a_data_set),
    Shot("images", lambda ids: f"projects/{ids.ground}/images"),
    Shot("label", lambda ids: f"projects/{ids.coins}/label?status=tagged&order=oldest"),
    Shot("train", lambda ids: f"projects/{ids.ground}/train"),
    Shot("results", lambda ids: f"projects/{ids.ground}/results/{ids.second}"),
    Shot(
        "confusion-matrix",
        lambda ids: f"projects/{ids.ground}/results/{ids.second}?tab=matrix",
        open_a_wrong_cell,
    ),
    Shot("curves", lambda ids: f"projects/{ids.ground}/results/{ids.second}?tab=curves"),
    Shot("label-hints", lambda ids: f"projects/{ids.ground}/results/{ids.second}?tab=hints", scheme="dark"),
    Shot("predictions", lambda ids: f"projects/{ids.ground}/predictions"),
    Shot("quick-test", lambda ids: f"projects/{ids.ground}/quicktest", drop_unseen_images),
    Shot("heat-map", lambda ids: f"projects/{ids.bricks}/quicktest", show_damage),
    Shot("test-sets", lambda ids: f"projects/{ids.ground}/testsets"),
    Shot("map", lambda ids: f"projects/{ids.ground}/map", wait_for_the_map),
    Shot("emulator", lambda ids: "emulator"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("name", nargs="*", help=f"of {', '.join(shot.name for shot in SHOTS)}; default: all")
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "images")
    arguments = parser.parse_args()
    chosen = [shot for shot in SHOTS if not arguments.name or shot.name in arguments.name]
    chromium = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if chromium is None:
        print("No screenshots: Chromium is missing (Debian: apt install chromium)", file=sys.stderr)
        return 0
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="screenshots-") as scratch, running_emulator() as endpoint:
        projects = make_projects(endpoint, Path(scratch) / "photographs")
        take(chromium, endpoint, projects, chosen, arguments.folder)
    return 0


@contextmanager
def running_emulator() -> Iterator[str]:
    """The endpoint of an emulator that ends with the block."""
    command = [sys.executable, "-m", "emulator", "serve", "--ephemeral", "--port", "0", "--quiet"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CUSTOM_VISION_")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


# --- projects -----------------------------------------------------------------------------------------------


def make_projects(endpoint: str, folder: Path) -> Projects:
    """Two projects, one of them trained twice, published and with stored predictions."""
    trainer = CustomVisionTrainingClient(
        endpoint, ApiKeyCredentials(in_headers={"Training-key": DEFAULT_TRAINING_KEYS[0]})
    )
    predictor = CustomVisionPredictionClient(
        endpoint, ApiKeyCredentials(in_headers={"Prediction-key": DEFAULT_PREDICTION_KEYS[0]})
    )
    photographs = demo_photographs(folder)
    unseen = sorted((folder / "unseen").rglob("*.jpg"))
    ground = trainer.create_project(
        "Ground", "Surfaces, as seen from a meter above", classification_type="Multiclass"
    )
    ids = {tag: trainer.create_tag(ground.id, tag).id for tag in photographs}
    images = []
    for source, paths in photographs.items():
        wrong = [tag for one, tag, number in WRONG_TAGS if one == source for _ in range(number)]
        tags = wrong + [source] * (len(paths) - len(wrong))
        images += [
            (number, path.name, path.read_bytes(), [ids[tag]])
            for number, (path, tag) in enumerate(zip(paths, tags, strict=True))
        ]
    # One of each tag after the other, as the page of images then shows them.
    upload(trainer, ground.id, [image[1:] for image in sorted(images)])
    first = trained(trainer, ground.id)
    second = trained(trainer, ground.id, force_train=True)
    trainer.publish_iteration(ground.id, second.id, "production", DEFAULT_PREDICTION_RESOURCE_ID)
    for path in unseen:
        predictor.classify_image(ground.id, "production", path.read_bytes())
    make_test_set(endpoint, ground.id, [first.id, second.id], unseen)
    bricks = bricks_project(trainer, photographs["brick"])
    return Projects(ground.id, first.id, second.id, coins_project(trainer), bricks, unseen[::3])


def bricks_project(trainer: CustomVisionTrainingClient, photographs: list[Path]) -> str:
    """Anomaly detection, trained on photographs of bricks alone."""
    project = trainer.create_project("Bricks", "Walls without damage", domain_id=ANOMALY_DETECTION)
    good = trainer.create_tag(project.id, "good").id
    upload(trainer, project.id, [(path.name, path.read_bytes(), [good]) for path in photographs])
    trained(trainer, project.id)
    return str(project.id)


def make_test_set(endpoint: str, project: str, iterations: list[str], photographs: list[Path]) -> None:
    """A test set of the photographs, whose folders are their tags, on which the iterations are evaluated."""
    headers = {"Training-Key": DEFAULT_TRAINING_KEYS[0]}
    with httpx.Client(headers=headers, timeout=PATIENCE_SECONDS, trust_env=False) as client:
        sets = f"{endpoint}/_emulator/projects/{project}/testSets"
        made = client.post(sets, json={"name": "Photographs of May"}).raise_for_status().json()
        images = [
            {
                "name": path.name,
                "contents": base64.b64encode(path.read_bytes()).decode(),
                "tagNames": [path.parent.name],
            }
            for path in photographs
        ]
        client.post(f"{sets}/{made['id']}/images", json={"images": images}).raise_for_status()
        client.post(f"{sets}/{made['id']}/evaluations", json={"iterationIds": iterations}).raise_for_status()


def demo_photographs(folder: Path) -> dict[str, list[Path]]:
    """The photographs that `make demo` trains on, by tag."""
    subprocess.run(
        [sys.executable, str(ROOT / "tools" / "demo_images.py"), str(folder)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    tags = sorted(path for path in folder.iterdir() if path.is_dir() and path.name != "unseen")
    return {path.name: sorted(path.glob("*.jpg")) for path in tags}


def upload(
    trainer: CustomVisionTrainingClient, project: str, images: list[tuple[str, bytes, list[str]]]
) -> None:
    entries = [ImageFileCreateEntry(name=name, contents=data, tag_ids=tags) for name, data, tags in images]
    if entries:
        trainer.create_images_from_files(project, ImageFileCreateBatch(images=entries))


def trained(trainer: CustomVisionTrainingClient, project: str, **options: bool) -> Iteration:
    iteration = trainer.train_project(project, **options)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while iteration.status not in ("Completed", "Failed") and time.monotonic() < deadline:
        time.sleep(0.2)
        iteration = trainer.get_iteration(project, iteration.id)
    if iteration.status != "Completed":
        raise SystemExit(f"the training ended as {iteration.status}")
    return iteration


def coins_project(trainer: CustomVisionTrainingClient) -> str:
    """Coins of Pompeii, from the photograph of scikit-image: overlapping windows, each second one labeled."""
    domain = next(
        one.id for one in trainer.get_domains() if one.type == "ObjectDetection" and one.name == "General"
    )
    project = trainer.create_project("Coins", "Greek coins from Pompeii", domain_id=domain)
    coin = trainer.create_tag(project.id, "coin").id
    entries = []
    for number, (data, boxes) in enumerate(coin_windows()):
        regions = [Region(tag_id=coin, left=x, top=y, width=w, height=h) for x, y, w, h in boxes]
        entries.append(
            ImageFileCreateEntry(
                name=f"coins-{number:02}.png", contents=data, regions=regions if number % 2 else []
            )
        )
    trainer.create_images_from_files(project.id, ImageFileCreateBatch(images=entries))
    return str(project.id)


def coin_windows() -> Iterator[tuple[bytes, list[tuple[float, float, float, float]]]]:
    """Windows of the photograph as PNG, with the boxes of their whole coins as fractions."""
    import numpy as np
    from skimage.filters import threshold_otsu
    from skimage.measure import label, regionprops
    from skimage.morphology import closing, footprint_rectangle

    with (resources.files("skimage") / "data" / "coins.png").open("rb") as file:
        photograph = Image.open(file).convert("L")
    pixels = np.asarray(photograph)
    mask = closing(pixels > threshold_otsu(pixels), footprint_rectangle((3, 3)))
    found = [region.bbox for region in regionprops(label(mask)) if region.area >= SMALLEST_COIN]
    width, height = COIN_WINDOW
    for top in range(0, photograph.height - height + 1, COIN_STEP[1]):
        for left in range(0, photograph.width - width + 1, COIN_STEP[0]):
            window = photograph.crop((left, top, left + width, top + height))
            output = BytesIO()
            window.resize((width * COIN_SCALE, height * COIN_SCALE), Image.Resampling.LANCZOS).save(
                output, "PNG"
            )
            yield (
                output.getvalue(),
                [
                    ((x0 - left) / width, (y0 - top) / height, (x1 - x0) / width, (y1 - y0) / height)
                    for y0, x0, y1, x1 in found
                    if left <= x0 and x1 <= left + width and top <= y0 and y1 <= top + height
                ],
            )


# --- pictures -----------------------------------------------------------------------------------------------


def take(chromium: str, endpoint: str, projects: Projects, shots: list[Shot], folder: Path) -> None:
    """Write the pictures, each after all requests of its page have their responses."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-background-networking", "--disable-sync"],
        )
        for shot in shots:
            width, height = shot.size
            context = browser.new_context(
                base_url=endpoint,
                viewport={"width": width, "height": height},
                color_scheme="dark" if shot.scheme == "dark" else "light",
                reduced_motion="reduce",
                locale="en-US",
            )
            page = context.new_page()
            page.goto(f"/portal/{shot.path(projects)}")
            page.locator("main > *").first.wait_for()
            page.wait_for_load_state("networkidle")
            shot.prepare(page, projects)
            page.wait_for_load_state("networkidle")
            # Lists make their images, and images fade in, some time after their data has arrived.
            page.wait_for_timeout(SETTLE_MS)
            page.wait_for_function("() => [...document.images].every(image => image.complete)")
            page.evaluate("document.activeElement?.blur()")
            write(page.screenshot(), folder / f"portal-{shot.name}.webp")
            context.close()
        browser.close()


def write(png: bytes, picture: Path) -> None:
    """Write a picture as WebP, which takes a fifth of the space where it shows photographs."""
    Image.open(BytesIO(png)).convert("RGB").save(picture, "WEBP", quality=QUALITY, method=6)
    print(f"{picture}: {picture.stat().st_size // 1000} kB")


if __name__ == "__main__":
    sys.exit(main())
