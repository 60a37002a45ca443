"""Quick tests and stored predictions in the portal, against what the SDK answers."""

from pathlib import Path
from typing import Any

import pytest
from azure.cognitiveservices.vision.customvision.training.models import PredictionQueryToken

from emulator.testing.control_client import ControlClient
from emulator.testing.projects import SampleProject, create_project
from tests.conftest import Serve
from tests.portal.conftest import OpenPortal
from tests.support.harness import RESOURCE_ID, TRAINING_KEY, wait_until
from tests.support.portal import Portal

RESULT = "section[aria-label=Result]"


@pytest.fixture
def project(portal: Portal, request: pytest.FixtureRequest) -> SampleProject:
    client = ControlClient(portal.server.endpoint, TRAINING_KEY)
    detection = getattr(request, "param", "classification") == "detection"
    return create_project(client, RESOURCE_ID, name=request.node.name, detection=detection, published="live")


@pytest.fixture
def unknown_image(project: SampleProject, tmp_path: Path) -> Path:
    """An image of the tag "red" that is not in the project."""
    path = tmp_path / "unknown.png"
    path.write_bytes(project.image("red"))
    return path


def stored(portal: Portal, project: SampleProject) -> list[Any]:
    query = PredictionQueryToken(order_by="Newest", max_count=100)
    return list(portal.trainer.query_predictions(project.id, query).results)


def test_quick_test_shows_what_the_sdk_answers(
    portal: Portal, project: SampleProject, unknown_image: Path
) -> None:
    page = portal.open(f"projects/{project.id}/quicktest")
    page.set_input_files("input[type=file]", unknown_image)
    rows = page.locator(f"{RESULT} tbody tr")
    rows.first.wait_for()
    expected = portal.trainer.quick_test_image(
        project.id, unknown_image.read_bytes(), iteration_id=project.iteration_id, store=False
    )
    shown = [row.split("\t") for row in rows.all_inner_texts()]
    assert [[name.strip(), number.strip()] for name, number in shown] == [
        [each.tag_name, f"{each.probability * 100:.1f}%"] for each in expected.predictions
    ]
    assert len(stored(portal, project)) == 1  # it is kept, as in the service
    portal.check_accessibility()


def test_the_image_of_a_url_is_shown_with_its_predictions(portal: Portal, project: SampleProject) -> None:
    page = portal.open(f"projects/{project.id}/quicktest")
    uri = portal.trainer.get_images(project.id)[0].original_image_uri
    page.get_by_label("Image URL").fill(uri)
    page.get_by_role("button", name="Test", exact=True).click()
    page.locator(f"{RESULT} tbody tr").first.wait_for()
    image = page.get_by_role("img", name=uri)
    image.wait_for()
    (prediction,) = stored(portal, project)
    assert prediction.id.replace("-", "") in image.get_attribute("src")


def test_quick_test_of_a_file_that_is_no_image_says_so(
    portal: Portal, project: SampleProject, tmp_path: Path
) -> None:
    portal.expects("status of 400")
    path = tmp_path / "notes.png"
    path.write_text("no image")
    page = portal.open(f"projects/{project.id}/quicktest")
    page.set_input_files("input[type=file]", path)
    page.get_by_role("alert").get_by_text("This is not an image that can be read").wait_for()
    assert stored(portal, project) == []


@pytest.mark.parametrize("project", ["detection"], indirect=True)
def test_boxes_from_the_threshold_on(portal: Portal, project: SampleProject, unknown_image: Path) -> None:
    page = portal.open(f"projects/{project.id}/quicktest")
    page.set_input_files("input[type=file]", unknown_image)
    rows = page.locator(f"{RESULT} tbody tr")
    rows.first.wait_for()
    answer = portal.trainer.quick_test_image(
        project.id, unknown_image.read_bytes(), iteration_id=project.iteration_id, store=False
    )
    assert rows.count() == sum(each.probability >= 0.15 for each in answer.predictions)
    slider = page.get_by_role("slider", name="Lowest probability of a box")
    slider.focus()
    slider.press("End")
    page.get_by_text("Nothing was found with at least this probability").wait_for()


def test_prediction_becomes_a_training_image_and_back(
    portal: Portal, project: SampleProject, unknown_image: Path
) -> None:
    portal.predictor.classify_image(project.id, "live", unknown_image.read_bytes())
    before = portal.trainer.get_image_count(project.id)
    page = portal.open(f"projects/{project.id}/predictions")
    [prediction] = stored(portal, project)
    likely = prediction.predictions[0]
    page.get_by_text(f"{likely.tag_name} {likely.probability * 100:.1f}%").wait_for()
    portal.check_accessibility()

    page.get_by_role("button", name="Open the prediction").click()
    page.get_by_role("button", name="Add to the training images and go on").click()
    page.get_by_role("status").get_by_text("Added 1 image").wait_for(state="attached")
    page.get_by_text("No predictions yet").wait_for()
    [image] = portal.trainer.get_images(project.id, order_by="Newest", take=1)
    assert [tag.tag_name for tag in image.tags] == [likely.tag_name]
    assert portal.trainer.get_image_count(project.id) == before + 1

    page.keyboard.press("Control+z")
    wait_until(lambda: portal.trainer.get_image_count(project.id) == before, "the undo")
    page.keyboard.press("Control+Shift+z")
    wait_until(lambda: portal.trainer.get_image_count(project.id) == before + 1, "the image again")
    [again] = portal.trainer.get_images(project.id, order_by="Newest", take=1)
    assert [tag.tag_name for tag in again.tags] == [likely.tag_name]


@pytest.mark.parametrize("project", ["detection"], indirect=True)
def test_predicted_boxes_become_boxes_of_the_image(
    portal: Portal, project: SampleProject, unknown_image: Path
) -> None:
    answer = portal.predictor.detect_image(project.id, "live", unknown_image.read_bytes())
    expected = [each for each in answer.predictions if each.probability >= 0.5]
    assert expected
    page = portal.open(f"projects/{project.id}/predictions")
    page.get_by_role("button", name="Open the prediction").click()
    page.get_by_role("dialog").get_by_role("checkbox").first.wait_for()
    portal.check_accessibility()
    page.get_by_role("button", name="Add to the training images and go on").click()
    page.get_by_role("status").get_by_text("Added 1 image").wait_for(state="attached")
    [image] = portal.trainer.get_images(project.id, order_by="Newest", take=1)
    assert [
        (region.tag_id, pytest.approx(region.left, abs=1e-6), pytest.approx(region.width, abs=1e-6))
        for region in image.regions
    ] == [(each.tag_id, each.bounding_box.left, each.bounding_box.width) for each in expected]


def test_deletion_of_predictions_is_asked_about(
    portal: Portal, project: SampleProject, unknown_image: Path
) -> None:
    portal.predictor.classify_image(project.id, "live", unknown_image.read_bytes())
    page = portal.open(f"projects/{project.id}/predictions?order=newest")
    page.get_by_role("checkbox", name="Select the prediction").check()
    page.get_by_role("toolbar").get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Cancel").click()
    assert len(stored(portal, project)) == 1
    page.get_by_role("toolbar").get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete 1 prediction").click()
    page.get_by_text("No predictions yet").wait_for()
    assert stored(portal, project) == []


def test_the_days_for_which_predictions_are_kept_are_those_of_the_option(
    open_portal: OpenPortal, serve: Serve
) -> None:
    portal = open_portal(serve("--trainer", "instant", "--prediction-days", "7"))
    client = ControlClient(portal.server.endpoint, TRAINING_KEY)
    project = create_project(client, RESOURCE_ID, trained=True)
    page = portal.open(f"projects/{project.id}/predictions")
    page.get_by_text("are listed here for up to 7 days").wait_for()
    page = portal.open(f"projects/{project.id}/quicktest")
    page.get_by_text("Kept for up to 7 days").wait_for()
