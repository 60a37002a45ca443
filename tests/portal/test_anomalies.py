"""Anomaly detection in the portal, and heat maps of it and of classifiers, made by the real trainer."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from PIL import Image, ImageChops, ImageDraw

from tests.portal.conftest import OpenPortal
from tests.support.harness import TRAINING_KEY
from tests.support.images import picture, pictures
from tests.support.live_server import LiveServer
from tests.support.portal import Portal, require_portal, trainer_of
from tests.support.portal_projects import ANOMALY_DETECTION, photo_project, train

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.slow

GOOD, DEFECTS = 12, 3
_SIDE = 160
_GRID = range(20, _SIDE - 10, 35)


def part(number: int, *, defect: bool = False) -> bytes:
    """A part with a regular pattern, which a dark spot interrupts at the upper left of a defect one."""
    image = Image.new("RGB", (_SIDE, _SIDE), (40 + number % 7, 110 + number % 5, 60))
    draw = ImageDraw.Draw(image)
    for x in _GRID:
        for y in _GRID:
            shift = (number * 7 + x + y) % 3
            draw.ellipse((x + shift - 6, y - 6, x + shift + 6, y + 6), fill=(200, 200, 190))
    if defect:
        left = 20 + number % 4
        draw.polygon([(left, 24), (left + 30, 30), (left + 20, 52)], fill=(30, 20, 20))
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    require_portal()
    server = LiveServer(tmp_path_factory.mktemp("anomalies") / "data", "--trainer", "real")
    yield server
    server.terminate()


@pytest.fixture(scope="module")
def parts(server: LiveServer) -> str:
    """A project of good parts and known defects, with a trained iteration."""
    from azure.cognitiveservices.vision.customvision.training.models import (
        ImageFileCreateBatch,
        ImageFileCreateEntry,
    )

    trainer = trainer_of(server)
    project = trainer.create_project(
        "Parts", domain_id=ANOMALY_DETECTION, classification_type="Multiclass"
    ).id
    good = trainer.create_tag(project, "good").id
    defect = trainer.create_tag(project, "defect", type="Negative").id
    entries = [
        ImageFileCreateEntry(contents=bytearray(part(number)), tag_ids=[good]) for number in range(GOOD)
    ]
    entries += [
        ImageFileCreateEntry(contents=bytearray(part(100 + number, defect=True)), tag_ids=[defect])
        for number in range(DEFECTS)
    ]
    assert trainer.create_images_from_files(project, ImageFileCreateBatch(images=entries)).is_batch_successful
    train(trainer, project)
    return str(project)


def test_a_project_of_good_parts_is_made_and_says_what_it_needs(
    open_portal: OpenPortal, server: LiveServer
) -> None:
    portal = open_portal(server)
    page = portal.open("projects?dialog=new")
    dialog = page.get_by_role("dialog", name="New project")
    dialog.get_by_role("textbox", name="Name").fill("Gears")
    dialog.get_by_role("radio", name="Anomaly detection").click()
    assert dialog.get_by_role("radio", name="Multilabel").count() == 0
    assert dialog.get_by_role("radio", name="Vision AI Developer Kit").count() == 0
    portal.check_accessibility()
    dialog.get_by_role("button", name="Create project").click()
    page.wait_for_url("**/images")
    (project,) = (one for one in portal.trainer.get_projects() if one.name == "Gears")
    assert project.settings.domain_id == ANOMALY_DETECTION
    portal.open(f"projects/{project.id}/train")
    page.get_by_text("There is no tag of good parts yet.").wait_for()
    assert page.get_by_role("radio", name="Advanced").count() == 0
    assert page.get_by_role("button", name="Train", exact=True).is_disabled()
    portal.check_accessibility()


def test_results_are_false_alarms_found_defects_and_scores(
    open_portal: OpenPortal, server: LiveServer, parts: str
) -> None:
    portal = open_portal(server)
    page = portal.open(f"projects/{parts}/results")
    alarms = page.get_by_role("group", name="False alarms")
    alarms.get_by_text(f"of {GOOD} images of good parts").wait_for()
    page.get_by_role("group", name="Defects found").get_by_text(f"of {DEFECTS} images").wait_for()
    assert page.get_by_role("tab").all_inner_texts() == ["Performance", "Images"]
    rows = page.get_by_role("table", name="Scores").locator("tbody tr")
    cells = [[int(text) for text in row.get_by_role("cell").all_inner_texts()] for row in rows.all()]
    assert [sum(column) for column in zip(*cells, strict=True)] == [GOOD, DEFECTS]
    portal.check_accessibility()
    # From 0 on, every image counts as an anomaly.
    portal.open(f"projects/{parts}/results?threshold=0")
    alarms.get_by_text(f"{GOOD} of {GOOD} images").wait_for()
    portal.open(f"projects/{parts}/results?tab=images&threshold=0")
    page.get_by_text(f"Wrong: {GOOD}", exact=True).wait_for()


def quick_test(portal: Portal, project: str, content: bytes) -> Page:
    page = portal.open(f"projects/{project}/quicktest")
    files = [{"name": "part 7.png", "mimeType": "image/png", "buffer": content}]
    page.locator("input[type=file]").first.set_input_files(files)  # type: ignore[arg-type]
    return page


def show_map(page: Page) -> Locator:
    page.get_by_role("switch", name="Heat map").check(force=True)
    text = page.get_by_test_id("heat-map-text")
    text.wait_for()
    return text


def test_a_quick_test_says_whether_it_is_an_anomaly_and_where(
    open_portal: OpenPortal, server: LiveServer, parts: str
) -> None:
    portal = open_portal(server)
    page = quick_test(portal, parts, part(500, defect=True))
    score = page.get_by_role("group", name="Anomaly score")
    score.get_by_text("Anomaly", exact=True).wait_for()
    iteration = portal.trainer.get_iterations(parts)[0].id
    found = portal.trainer.quick_test_image(
        parts, part(500, defect=True), iteration_id=iteration, store=False
    )
    probability = next(one.probability for one in found.predictions if one.tag_name == "defect")
    score.get_by_text(f"Score {probability:.1%}, threshold 50%").wait_for()
    text = show_map(page)
    assert re.match(r"Most probable at the (upper )?left: \d", text.inner_text())
    overlay = page.get_by_role("img", name=re.compile("^Heat map for defect"))
    overlay.wait_for()
    portal.check_accessibility()
    # The overlay lies upon the image, as opaque as the slider says.
    image = page.get_by_role("img", name="part 7.png")
    assert overlay.bounding_box() == image.bounding_box()
    slider = page.get_by_role("slider", name="Opacity")
    slider.focus()
    page.keyboard.press("Home")
    page.wait_for_function("image => image.style.opacity === '0'", arg=overlay.element_handle())
    page.keyboard.press("End")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the image with the map").click()
    assert download.value.suggested_filename == "part-7-heat-map-defect.png"
    saved = Image.open(Path(download.value.path())).convert("RGB")
    original = Image.open(BytesIO(part(500, defect=True))).convert("RGB")
    assert saved.size == original.size
    box = ImageChops.difference(saved, original).point(lambda value: 255 * (value > 60)).getbbox()
    assert box is not None and box[2] < _SIDE * 0.6 and box[3] < _SIDE * 0.6
    # A key turns it off.
    page.get_by_role("heading", name="Quick test").click()
    page.keyboard.press("o")
    overlay.wait_for(state="detached")


def test_predictions_and_results_have_maps_too(
    open_portal: OpenPortal, server: LiveServer, parts: str
) -> None:
    portal = open_portal(server)
    page = quick_test(portal, parts, part(600, defect=True))
    page.get_by_role("group", name="Anomaly score").wait_for()
    portal.open(f"projects/{parts}/predictions")
    page.get_by_role("button", name=re.compile("^Open the prediction")).first.click()
    dialog = page.get_by_role("dialog", name="Prediction 1")
    dialog.get_by_role("group", name="Anomaly score").wait_for()
    show_map(page)
    portal.check_accessibility()
    portal.open(f"projects/{parts}/results?tab=images")
    page.get_by_role("tabpanel").get_by_role("listitem").first.get_by_role("button").click()
    page.get_by_test_id("heat-map-text").wait_for()
    page.get_by_text("The map is that of the final model").wait_for()
    page.keyboard.press("o")
    page.get_by_test_id("heat-map-text").wait_for(state="detached")
    portal.check_accessibility()


@pytest.fixture
def two_iterations(portal: Portal) -> tuple[str, list[str], str]:
    """A project with two instant iterations, both evaluated on a test set: the ids of all."""
    from azure.cognitiveservices.vision.customvision.training.models import (
        ImageFileCreateBatch,
        ImageFileCreateEntry,
    )

    trainer = portal.trainer
    project = trainer.create_project(
        "Inspected", domain_id=ANOMALY_DETECTION, classification_type="Multiclass"
    ).id
    good, defect = (
        trainer.create_tag(project, "good").id,
        trainer.create_tag(project, "defect", type="Negative").id,
    )
    iterations = []
    for number, color in enumerate(("green", "grey")):
        entries = [ImageFileCreateEntry(contents=data, tag_ids=[good]) for data in pictures(10, color)]
        entries += [
            ImageFileCreateEntry(contents=data, tag_ids=[defect])
            for data in pictures(3, "red", start=20 * number)
        ]
        assert trainer.create_images_from_files(
            project, ImageFileCreateBatch(images=entries)
        ).is_batch_successful
        iterations.append(train(trainer, project))
    sets = f"{portal.server.endpoint}/_emulator/projects/{project}/testSets"
    with httpx.Client(headers={"Training-Key": TRAINING_KEY}, trust_env=False) as client:
        test_set = client.post(sets, json={"name": "line 2"}).json()["id"]
        for name, color in (("good", "green"), ("defect", "blue")):
            images = [
                {"contents": base64.b64encode(data).decode(), "tagNames": [name]}
                for data in pictures(4, color, start=60)
            ]
            client.post(f"{sets}/{test_set}/images", json={"images": images}).raise_for_status()
        client.post(f"{sets}/{test_set}/evaluations", json={"iterationIds": iterations}).raise_for_status()
    return project, iterations, test_set


def test_two_detectors_are_compared_by_false_alarms_and_found_defects(
    portal: Portal, two_iterations: tuple[str, list[str], str]
) -> None:
    project, (before, after), _ = two_iterations
    page = portal.open(f"projects/{project}/compare?a={before}&b={after}&threshold=0")
    table = page.get_by_role("table", name="Anomalies")
    # From 0 on, every image counts as an anomaly.
    table.get_by_role("row", name=re.compile("False alarms")).get_by_text("10 → 10 of 10").wait_for()
    table.get_by_role("row", name=re.compile("Defects found")).get_by_text("3 → 3 of 3").wait_for()
    assert page.get_by_role("row", name=re.compile("^All tags")).count() == 0
    page.get_by_text("An image counts as an anomaly from this probability.").wait_for()
    portal.check_accessibility()
    portal.open(f"projects/{project}/compare?a={before}&b={after}&threshold=1.0")
    table.get_by_role("row", name=re.compile("False alarms")).get_by_text("0 → 0 of 10").wait_for()


def test_a_test_set_counts_false_alarms_and_missed_defects(
    portal: Portal, two_iterations: tuple[str, list[str], str]
) -> None:
    project, (first, _), test_set = two_iterations
    page = portal.open(f"projects/{project}/testsets/{test_set}?threshold=0")
    page.get_by_role("link", name=re.compile("^4 of 8 wrong")).first.wait_for()
    assert page.get_by_role("columnheader", name="Precision").count() == 0
    portal.check_accessibility()
    portal.open(f"projects/{project}/testsets/{test_set}/{first}?threshold=0")
    table = page.get_by_role("table", name="Anomalies")
    table.get_by_role("row", name=re.compile("Missed defects")).get_by_text("4 known defects").wait_for()
    assert page.get_by_role("region", name="Confusion matrix").count() == 0
    table.get_by_role("button", name="4 of 4 images without a defect: false alarms").click()
    cards = page.get_by_role("region", name="Images").get_by_role("listitem")
    cards.nth(3).get_by_text(re.compile("^Anomaly, score")).wait_for()
    assert cards.count() == 4
    cards.first.get_by_role("button").click()
    page.get_by_role("dialog").get_by_role("group", name="Anomaly score").wait_for()
    portal.check_accessibility()


def test_a_classifier_shows_the_reasons_for_each_tag(open_portal: OpenPortal, server: LiveServer) -> None:
    portal = open_portal(server)
    project = photo_project(portal.trainer, "Photographs", tags={"astronaut": 5, "rocket": 5})
    page = quick_test(portal, project.id, picture(3, size=(160, 120)))
    first = show_map(page).inner_text()
    assert "of the image has half of that or more" in first
    field = page.get_by_role("combobox", name="Reasons for")
    other = "rocket" if field.input_value() == "astronaut" else "astronaut"
    field.click()
    page.get_by_role("option", name=other).click()
    page.get_by_role("img", name=re.compile(f"^Heat map for {other}")).wait_for()
    portal.check_accessibility()


def test_a_model_without_maps_says_so(portal: Portal) -> None:
    project = photo_project(portal.trainer, "Instant", tags={"coffee": 5, "rocket": 5})
    portal.expects("status of 400")
    page = quick_test(portal, project.id, picture(4))
    page.get_by_role("switch", name="Heat map").check(force=True)
    message = page.get_by_role("group", name="Heat map").get_by_role("status")
    message.filter(
        has_text="Heat maps exist for models that were trained here, by the real trainer"
    ).wait_for()
    portal.check_accessibility()
