"""Results of iterations: figures equal those of the SDK; publishing, programs, exports, images."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.support.harness import PATIENCE_SECONDS, TRAINING_KEY
from tests.support.live_server import LiveServer
from tests.support.portal import Portal, trainer_of
from tests.support.portal_projects import DETECTION, GENERAL, PhotoProject, photo_project, photograph, train

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

TABS = ("Performance", "Confusion matrix", "Curves", "Images", "Label hints")


@pytest.fixture(scope="module")
def shown(portal_server: LiveServer) -> PhotoProject:
    """For tests that change nothing."""
    return photo_project(trainer_of(portal_server), "With results, only shown")


@pytest.fixture(scope="module")
def shown_boxes(portal_server: LiveServer) -> PhotoProject:
    """With boxes, for tests that change nothing."""
    tags = {"astronaut": 15, "rocket": 16}
    return photo_project(trainer_of(portal_server), "With boxes, only shown", domain=DETECTION, tags=tags)


@pytest.fixture
def project(portal: Portal) -> PhotoProject:
    return photo_project(portal.trainer, "With results")


@pytest.fixture
def detection(portal: Portal) -> PhotoProject:
    return photo_project(portal.trainer, "With boxes", domain=DETECTION, tags={"astronaut": 15, "rocket": 16})


def percent_of(text: str) -> float:
    return float(re.findall(r"(\d+\.\d)%", text)[0])


def assert_is_shown(place: Locator, fraction: float) -> None:
    """Whether a place shows the fraction; its last digit may be rounded otherwise."""
    place.wait_for()
    assert percent_of(place.inner_text()) == pytest.approx(fraction * 100, abs=0.051)


def assert_shows(page: Page, figures: Any) -> None:
    for name, value in (
        ("Precision", figures.precision),
        ("Recall", figures.recall),
        ("AP", figures.average_precision),
    ):
        assert_is_shown(page.get_by_role("group", name=name, exact=True), value)
    for tag in figures.per_tag_performance:
        cells = page.get_by_role("row").filter(has_text=tag.name).get_by_role("cell")
        for index, value in enumerate((tag.precision, tag.recall, tag.average_precision)):
            assert_is_shown(cells.nth(index), value)


def test_figures_are_those_of_the_sdk_at_every_threshold(portal: Portal, shown: PhotoProject) -> None:
    page = portal.open(f"projects/{shown.id}/results")
    for threshold in (0.5, 0.1, 0.97):
        page.goto(f"/portal/projects/{shown.id}/results/{shown.iteration_id}?threshold={threshold}")
        page.get_by_role("table").wait_for()
        portal.settle()
        figures = portal.trainer.get_iteration_performance(shown.id, shown.iteration_id, threshold=threshold)
        assert_shows(page, figures)
    # Nothing is predicted: no precision, where the service responds 0.
    page.goto(f"/portal/projects/{shown.id}/results/{shown.iteration_id}?threshold=1")
    page.get_by_role("group", name="Precision").get_by_text("\u2013", exact=True).wait_for()
    counts = {tag.name: tag.image_count for tag in portal.trainer.get_tags(shown.id)}
    for name, count in counts.items():
        cell = page.get_by_role("row").filter(has_text=name).get_by_role("cell").last
        assert str(count) in cell.inner_text()
    page.get_by_text(f"Measured on {sum(counts.values())} images by cross-validation").wait_for()


def test_figures_of_a_detector_are_those_of_the_sdk(portal: Portal, shown_boxes: PhotoProject) -> None:
    page = portal.open(f"projects/{shown_boxes.id}/results?threshold=0.3&overlap=0.75")
    page.get_by_role("table").wait_for()
    figures = portal.trainer.get_iteration_performance(
        shown_boxes.id, shown_boxes.iteration_id, threshold=0.3, overlap_threshold=0.75
    )
    assert_shows(page, figures)
    page.get_by_text("overlaps an object of its tag by 75% or more").wait_for()
    portal.check_accessibility()


def test_keys_and_sliders_move_the_threshold_in_the_address(portal: Portal, shown: PhotoProject) -> None:
    page = portal.open(f"projects/{shown.id}/results")
    page.get_by_role("table").wait_for()
    page.keyboard.press("]")
    page.wait_for_url("**threshold=0.55")
    for _ in range(3):
        page.keyboard.press("[")
    page.wait_for_url("**threshold=0.4")
    expect(page.get_by_role("textbox", name="Probability threshold in percent")).to_have_value("40%")
    figures = portal.trainer.get_iteration_performance(shown.id, shown.iteration_id, threshold=0.4)
    portal.settle()
    assert_shows(page, figures)
    slider = page.get_by_role("slider", name="Probability threshold")
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**threshold=0.41")
    page.get_by_role("textbox", name="Probability threshold in percent").fill("7")
    page.wait_for_url("**threshold=0.07")
    page.reload()
    expect(slider).to_have_attribute("aria-valuenow", "7")


def test_the_table_is_sorted_by_its_headings(portal: Portal, shown: PhotoProject) -> None:
    page = portal.open(f"projects/{shown.id}/results")
    names = page.get_by_role("rowheader")
    names.first.wait_for()
    assert names.all_inner_texts() == ["astronaut", "chelsea", "coffee"]
    page.get_by_role("columnheader", name="Images").get_by_role("button").click()
    expect(names).to_have_text(["coffee", "chelsea", "astronaut"])
    page.reload()
    expect(names).to_have_text(["coffee", "chelsea", "astronaut"])
    assert page.get_by_role("columnheader", name="Images").get_attribute("aria-sort") == "descending"


def test_every_tab_is_in_the_address(portal: Portal, shown_boxes: PhotoProject) -> None:
    page = portal.open(f"projects/{shown_boxes.id}/results")
    for tab in TABS:
        page.get_by_role("tab", name=tab).click()
        portal.settle()
        page.reload()
        expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")


def test_images_are_judged_as_the_sdk_responds(portal: Portal, shown: PhotoProject) -> None:
    threshold = 0.9
    matrix = matrix_of(portal, shown, threshold)
    count = matrix["imageCount"]
    wrong = count - sum(tag["truePositives"] for tag in matrix["perTag"])
    images = portal.trainer.get_image_performances(shown.id, shown.iteration_id, take=256)
    assert 0 < len(images) < count

    def is_wrong(image: Any) -> bool:
        best = max(image.predictions, key=lambda one: one.probability)
        counted = [best.tag_id] if best.probability >= threshold else []
        return counted != [tag.tag_id for tag in image.tags]

    page = portal.open(f"projects/{shown.id}/results?threshold={threshold}")
    page.get_by_text(f"Measured on {count} images").wait_for()
    page.get_by_role("link", name="Show the images").click()
    page.get_by_text(f"All: {count}", exact=True).wait_for()
    page.get_by_text(f"Wrong: {wrong}", exact=True).wait_for()
    page.get_by_text(f"{count} image", exact=False).first.wait_for()
    tiles = page.get_by_role("tabpanel").get_by_role("listitem")
    assert tiles.count() == count
    assert tiles.get_by_role("img", name="Wrong").count() == wrong
    # Those of the service are among them, each with the same verdict.
    for image in images:
        page.goto(f"/portal/projects/{shown.id}/results?tab=images&threshold={threshold}&image={image.id}")
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("img", name="Right" if not is_wrong(image) else "Wrong").first.wait_for()


def matrix_of(portal: Portal, project: PhotoProject, threshold: float) -> Any:
    response = httpx.get(
        f"{portal.server.endpoint}/_emulator/projects/{project.id}/iterations/{project.iteration_id}/confusionMatrix",
        params={"threshold": threshold},
        headers={"Training-Key": TRAINING_KEY},
        trust_env=False,
    )
    return response.raise_for_status().json()


def test_w_opens_the_next_wrong_image(portal: Portal, shown_boxes: PhotoProject) -> None:
    # No prediction reaches the threshold, so that every object is missed.
    page = portal.open(f"projects/{shown_boxes.id}/results?tab=images&threshold=1&wrong=1")
    tiles = page.get_by_role("tabpanel").get_by_role("listitem")
    tiles.first.wait_for()
    count = matrix_of(portal, shown_boxes, 1)["imageCount"]
    page.get_by_text(f"Wrong: {count}", exact=True).wait_for()
    page.keyboard.press("w")
    dialog = page.get_by_role("dialog")
    dialog.get_by_text(f"1 of {count}").wait_for()
    portal.check_accessibility()
    first = page.url
    page.keyboard.press("w")
    dialog.get_by_text(f"2 of {count}").wait_for()
    assert page.url != first
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(first)
    page.reload()
    dialog.get_by_text(f"1 of {count}").wait_for()
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")


def test_p_changes_between_labels_and_predictions(portal: Portal, shown_boxes: PhotoProject) -> None:
    (image,) = portal.trainer.get_image_performances(shown_boxes.id, shown_boxes.iteration_id, take=1)
    threshold = 0.01
    predicted = sum(one.probability >= threshold for one in image.predictions)
    assert predicted
    page = portal.open(f"projects/{shown_boxes.id}/results?tab=images&threshold={threshold}&image={image.id}")
    dialog = page.get_by_role("dialog")
    dialog.wait_for()
    boxes = dialog.locator("svg rect[stroke]")
    labeled = len(image.regions)
    for expected in (labeled + predicted, labeled, predicted, labeled + predicted):
        expect(boxes).to_have_count(expected)
        page.keyboard.press("p")


def test_publishing_unpublishing_and_undo(portal: Portal, project: PhotoProject) -> None:
    page = portal.open(f"projects/{project.id}/results")

    def published() -> str | None:
        name: str | None = portal.trainer.get_iteration(project.id, project.iteration_id).publish_name
        return name

    page.get_by_role("button", name="Publish").click()
    dialog = page.get_by_role("dialog", name="Publish the iteration")
    name = dialog.get_by_role("textbox", name="Name")
    assert name.input_value() == "Iteration1"
    portal.check_accessibility()
    name.fill(" ")
    dialog.get_by_text("The name must not be empty.").wait_for()
    assert dialog.get_by_role("button", name="Publish").is_disabled()
    name.fill("live")
    dialog.get_by_role("button", name="Publish").click()
    page.get_by_role("button", name="Prediction URL").wait_for()
    assert published() == "live"
    page.get_by_role("navigation", name="Iterations").get_by_text("Published").wait_for()

    page.get_by_role("button", name="Unpublish").click()
    question = page.get_by_role("dialog", name="Unpublish the iteration?")
    question.get_by_text("Programs that send images to").wait_for()
    question.get_by_role("button", name="Unpublish").click()
    page.get_by_role("button", name="Publish", exact=True).wait_for()
    assert published() is None
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Prediction URL").wait_for()
    assert published() == "live"


def test_a_name_is_taken_from_another_iteration(portal: Portal, project: PhotoProject) -> None:
    second = train(portal.trainer, project.id)
    page = portal.open(f"projects/{project.id}/results/{project.iteration_id}")
    page.get_by_role("button", name="Publish").click()
    page.get_by_role("dialog").get_by_role("button", name="Publish").click()
    page.get_by_role("button", name="Prediction URL").wait_for()
    page.get_by_role("link", name="Iteration 2").click()
    page.get_by_role("button", name="Publish").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Name").fill("Iteration1")
    dialog.get_by_text(re.compile("Iteration 1.* is published by this name")).wait_for()
    dialog.get_by_role("button", name="Publish instead of Iteration 1").click()
    page.get_by_role("button", name="Prediction URL").wait_for()
    assert portal.trainer.get_iteration(project.id, second).publish_name == "Iteration1"
    assert portal.trainer.get_iteration(project.id, project.iteration_id).publish_name is None
    # The name is never without an iteration.
    sent: list[str] = []
    page.on("request", lambda request: sent.append(f"{request.method} {request.url.partition('?')[0]}"))
    page.keyboard.press("Control+z")
    page.get_by_role("button", name="Publish", exact=True).wait_for()
    assert portal.trainer.get_iteration(project.id, project.iteration_id).publish_name == "Iteration1"
    assert portal.trainer.get_iteration(project.id, second).publish_name is None
    changes = [one for one in sent if one.endswith("/publish")]
    assert [one.partition(" ")[0] for one in changes] == ["POST"]


@pytest.mark.parametrize("is_detection", [False, True])
def test_programs_of_the_page_predict(
    portal: Portal, project: PhotoProject, detection: PhotoProject, tmp_path: Path, is_detection: bool
) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is missing: apt-get install curl")
    chosen = detection if is_detection else project
    (tmp_path / "image.jpg").write_bytes(photograph("astronaut"))
    page = portal.open(f"projects/{chosen.id}/results")
    page.get_by_role("button", name="Publish").click()
    page.get_by_role("textbox", name="Name").fill('it\'s "live" (1)')
    page.get_by_role("dialog").get_by_role("button", name="Publish").click()
    page.get_by_role("button", name="Prediction URL").click()
    dialog = page.get_by_role("dialog", name="Prediction URL")
    program = dialog.get_by_role("tabpanel").locator("pre")
    program.wait_for()
    portal.check_accessibility()

    def output(command: list[str]) -> str:
        result = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_SECONDS
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    curl = program.inner_text()
    assert '"predictions":[' in output(["sh", "-c", curl])
    dialog.get_by_role("tab", name="Python").click()
    expect(program).to_contain_text("import ")
    assert "astronaut: " in output([sys.executable, "-c", program.inner_text()])
    stored = portal.trainer.query_predictions(chosen.id, {"iteration_id": chosen.iteration_id}).results
    assert len(stored) == 2

    dialog.get_by_role("checkbox", name="Store the prediction").uncheck()
    assert "astronaut: " in output([sys.executable, "-c", program.inner_text()])
    assert (
        len(portal.trainer.query_predictions(chosen.id, {"iteration_id": chosen.iteration_id}).results) == 2
    )

    dialog.get_by_text("Image URL", exact=True).click()
    image = portal.trainer.get_images(chosen.id, take=1)[0].original_image_uri
    python = program.inner_text().replace("https://example.com/image.jpg", image)
    assert "%" in output([sys.executable, "-c", python])
    dialog.get_by_role("tab", name="curl").click()
    expect(program).to_contain_text("curl ")
    address = program.inner_text().replace("https://example.com/image.jpg", image)
    assert '"predictions":[' in output(["sh", "-c", address])


def test_renaming_and_a_refused_name(portal: Portal, project: PhotoProject) -> None:
    portal.expects("status of 400")
    page = portal.open(f"projects/{project.id}/results")
    page.get_by_role("button", name="More about this iteration").click()
    page.get_by_role("menuitem", name="Rename").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Name").fill("n" * 300)
    dialog.get_by_role("button", name="Rename").click()
    dialog.get_by_text("300 characters").wait_for()
    dialog.get_by_role("textbox", name="Name").fill("Best so far 🏆")
    dialog.get_by_role("button", name="Rename").click()
    page.get_by_role("heading", name="Best so far 🏆").wait_for()
    assert portal.trainer.get_iteration(project.id, project.iteration_id).name == "Best so far 🏆"


def test_a_published_iteration_is_not_deleted(portal: Portal, project: PhotoProject) -> None:
    page = portal.open(f"projects/{project.id}/results")
    page.get_by_role("button", name="Publish").click()
    page.get_by_role("dialog").get_by_role("button", name="Publish").click()
    page.get_by_role("button", name="Prediction URL").wait_for()
    page.get_by_role("button", name="More about this iteration").click()
    page.get_by_role("menuitem", name="Delete").click()
    dialog = page.get_by_role("dialog", name="A published iteration cannot be deleted")
    dialog.get_by_role("button", name="Unpublish").click()
    page.get_by_role("button", name="Publish", exact=True).wait_for()
    assert [one.id for one in portal.trainer.get_iterations(project.id)] == [project.iteration_id]

    page.get_by_role("button", name="More about this iteration").click()
    page.get_by_role("menuitem", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete iteration").click()
    page.get_by_text("No iterations yet").wait_for()
    assert portal.trainer.get_iterations(project.id) == []
    portal.check_accessibility()


def test_an_export_is_made_and_downloaded(portal: Portal, project: PhotoProject, tmp_path: Path) -> None:
    page = portal.open(f"projects/{project.id}/results")
    page.get_by_role("button", name="Export", exact=True).click()
    dialog = page.get_by_role("dialog", name="Export the iteration")
    domain = next(
        one
        for one in portal.trainer.get_domains()
        if one.id == portal.trainer.get_project(project.id).settings.domain_id
    )
    assert domain.exportable
    dialog.get_by_role("button", name="Export ONNX: Opset 12, no flavor in the request", exact=True).click()
    portal.check_accessibility()
    with page.expect_download() as started:
        dialog.get_by_role(
            "link", name="Download ONNX: Opset 12, no flavor in the request", exact=True
        ).click()
    (export,) = portal.trainer.get_exports(project.id, project.iteration_id)
    assert (export.platform, export.status, export.flavor) == ("ONNX", "Done", None)
    with zipfile.ZipFile(started.value.path()) as archive:
        assert "model.onnx" in archive.namelist()


def test_what_to_do_for_an_export_from_a_domain_that_is_not_compact(portal: Portal) -> None:
    project = photo_project(portal.trainer, "Not compact", domain=GENERAL)
    page = portal.open(f"projects/{project.id}/results")
    page.get_by_role("button", name="Export", exact=True).click()
    dialog = page.get_by_role("dialog", name="Export the iteration")
    dialog.get_by_text("trained in the domain 'General'").wait_for()
    portal.check_accessibility()
    dialog.get_by_role("link", name="settings of the project").click()
    page.wait_for_url(f"**/projects/{project.id}/settings")


def test_an_iteration_deleted_elsewhere_is_said(portal: Portal, project: PhotoProject) -> None:
    portal.expects("status of 404")
    second = train(portal.trainer, project.id)
    page = portal.open(f"projects/{project.id}/results/{second}")
    portal.trainer.delete_iteration(project.id, second)
    page.reload()
    page.get_by_text("This iteration does not exist").wait_for()
    page.get_by_role("navigation", name="Iterations").get_by_role("link", name="Iteration 1").click()
    page.get_by_role("table").wait_for()
    portal.check_accessibility()


def plan_training(portal: Portal, project: PhotoProject, plan: dict[str, Any]) -> None:
    """Set how the next trainings of the project end."""
    httpx.put(
        f"{portal.server.endpoint}/_emulator/projects/{project.id}/choreography",
        json={"training": plan},
        headers={"Training-Key": TRAINING_KEY},
        trust_env=False,
    ).raise_for_status()


def end_trainings(portal: Portal, project: PhotoProject) -> None:
    """End the trainings that a plan holds."""
    httpx.delete(
        f"{portal.server.endpoint}/_emulator/projects/{project.id}/choreography",
        headers={"Training-Key": TRAINING_KEY},
        trust_env=False,
    ).raise_for_status()


def test_an_iteration_in_training_shows_its_results_when_it_is_done(
    portal: Portal, project: PhotoProject
) -> None:
    plan_training(portal, project, {"complete": "afterPolls", "polls": 10_000})
    second = portal.trainer.train_project(project.id, force_train=True).id
    page = portal.page
    try:
        # Not `open`: the network is not idle while the page waits for news of the job.
        page.goto(f"/portal/projects/{project.id}/results/{second}")
        page.get_by_text("The iteration is in training.").wait_for()
        portal.check_accessibility()
    finally:
        end_trainings(portal, project)
    page.get_by_role("table").wait_for()
    figures = portal.trainer.get_iteration_performance(project.id, second)
    assert_shows(page, figures)


def test_a_failed_training_says_why(portal: Portal, project: PhotoProject) -> None:
    plan_training(portal, project, {"failure": {"code": "ErrorUnknown", "message": "No memory left."}})
    failed = portal.trainer.train_project(project.id, force_train=True).id
    page = portal.open(f"projects/{project.id}/results/{failed}")
    page.get_by_role("alert").filter(has_text="No memory left.").wait_for()
    page.get_by_role("navigation", name="Iterations").get_by_text("Failed").wait_for()
    portal.check_accessibility()
    page.get_by_role("link", name="Train again").click()
    page.wait_for_url(f"**/projects/{project.id}/train")


def test_a_failed_export_says_why_and_is_tried_again(portal: Portal, project: PhotoProject) -> None:
    address = f"{portal.server.endpoint}/_emulator/projects/{project.id}/choreography"
    headers = {"Training-Key": TRAINING_KEY}
    failure = {"code": "ErrorUnknown", "message": "The disk is full."}
    httpx.put(
        address, json={"export": {"failure": failure}}, headers=headers, trust_env=False
    ).raise_for_status()
    page = portal.open(f"projects/{project.id}/results")
    page.get_by_role("button", name="Export", exact=True).click()
    dialog = page.get_by_role("dialog", name="Export the iteration")
    dialog.get_by_role("button", name="TensorFlow").click()
    dialog.get_by_role("button", name="Export TensorFlow: TensorFlow.js: browsers").click()
    dialog.get_by_role("alert").filter(has_text="The disk is full.").wait_for()
    portal.check_accessibility()
    httpx.delete(address, headers=headers, trust_env=False).raise_for_status()
    dialog.get_by_role("button", name="Try again TensorFlow: TensorFlow.js: browsers").click()
    dialog.get_by_role("link", name="Download TensorFlow: TensorFlow.js: browsers").wait_for()
    (export,) = portal.trainer.get_exports(project.id, project.iteration_id)
    assert export.status == "Done"
