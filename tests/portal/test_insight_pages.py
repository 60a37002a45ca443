"""Confusion matrix, curves and label hints: values are those of the API, labels are corrected in place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.support.harness import TRAINING_KEY, wait_until
from tests.support.live_server import LiveServer
from tests.support.portal import Portal, trainer_of
from tests.support.portal_projects import DETECTION, GENERAL, PhotoProject, photo_project, train

if TYPE_CHECKING:
    from playwright.sync_api import Page


def control(portal: Portal, path: str, **parameters: Any) -> Any:
    """The JSON of a response of the control API."""
    address = f"{portal.server.endpoint}/_emulator/projects/{path}"
    headers = {"Training-Key": TRAINING_KEY}
    response = httpx.get(address, params=parameters, headers=headers, timeout=60, trust_env=False)
    assert response.status_code == 200, response.text
    return response.json()


def tags_of(portal: Portal, project: PhotoProject, image_id: str) -> list[str]:
    (image,) = portal.trainer.get_images_by_ids(project.id, [image_id])
    return sorted(tag.tag_name for tag in image.tags or [])


def mistagged(server: LiveServer, classification_type: str = "Multiclass") -> tuple[PhotoProject, str]:
    """A trained project in which a photograph of the cat has the tag "astronaut", and the image's id."""
    trainer = trainer_of(server)
    project = photo_project(
        trainer,
        "With a wrong tag",
        domain=GENERAL,
        classification_type=classification_type,
        tags={"astronaut": 9, "chelsea": 10, "rocket": 9},
        trained=False,
    )
    images = trainer.get_tagged_images(project.id, tag_ids=[project.tags["chelsea"]])
    image = images[4].id
    trainer.delete_image_tags(project.id, [image], [project.tags["chelsea"]])
    from azure.cognitiveservices.vision.customvision.training import models

    entry = models.ImageTagCreateEntry(image_id=image, tag_id=project.tags["astronaut"])
    trainer.create_image_tags(project.id, tags=[entry])
    iteration = train(trainer, project.id)
    return PhotoProject(project.id, project.name, project.tags, iteration), str(image)


@pytest.fixture(scope="module")
def shown(portal_server: LiveServer) -> PhotoProject:
    """The project of `mistagged`, for tests that change nothing."""
    return mistagged(portal_server)[0]


def results(portal: Portal, project: PhotoProject, tab: str, more: str = "") -> Page:
    return portal.open(f"projects/{project.id}/results/{project.iteration_id}?tab={tab}{more}")


def of_iteration(project: PhotoProject, what: str) -> str:
    return f"{project.id}/iterations/{project.iteration_id}/{what}"


def shown_matrix(page: Page) -> dict[tuple[str, str], int]:
    """The numbers of the table that are not 0, by the headers of their row and column."""
    table = page.get_by_role("region", name="Confusion matrix").get_by_role("table")
    columns = [header.strip() for header in table.locator("thead th").all_inner_texts()][1:]
    found = {}
    for row in table.locator("tbody tr").all():
        name = row.locator("th").inner_text().strip()
        for column, cell in zip(columns, row.locator("td").all(), strict=True):
            if (number := int(cell.inner_text())) > 0:
                found[name, column] = number
    return found


def test_the_page_tells_what_the_training_tried(portal: Portal, shown: PhotoProject) -> None:
    assert control(portal, of_iteration(shown, "trainingReport"))["attempts"] == []
    attempt = {"isChosen": True, "figure": 0.3125, "imageCount": 28, "seconds": 9.0, "plan": None}
    report = {
        "trainingType": "Advanced",
        "budgetSeconds": 60.0,
        "seconds": 11.4,
        "measure": "LogLoss",
        "attempts": [
            {**attempt, "name": "quick", "outcome": "Finished", "reason": "The head of quick training."},
            {
                **attempt,
                "name": "fine-tuned",
                "outcome": "OutOfTime",
                "isChosen": False,
                "figure": None,
                "reason": "An epoch takes 21 s.",
            },
        ],
    }
    portal.page.route("**/trainingReport", lambda route: route.fulfill(json=report))
    page = results(portal, shown, "performance")
    section = page.get_by_role("region", name="What the training tried")
    section.get_by_text("The training took 11 s of a budget of 1 min 0 s.").wait_for()
    rows = [row.inner_text().split("\t") for row in section.locator("tbody tr").all()]
    assert rows == [
        ["quick", "0.313", "9 s", "Chosen The head of quick training."],
        ["fine-tuned", "\N{EN DASH}", "9 s", "No time An epoch takes 21 s."],
    ]
    portal.check_accessibility()


@pytest.mark.parametrize("threshold", [0.5, 0.9])
def test_the_matrix_is_that_of_the_api(portal: Portal, shown: PhotoProject, threshold: float) -> None:
    page = results(portal, shown, "matrix", f"&threshold={threshold}")
    answer = control(portal, of_iteration(shown, "confusionMatrix"), threshold=threshold)
    names = [tag["name"] for tag in answer["tags"]]
    expected = {
        ([*names, "No tag"][row], [*names, "No prediction"][column]): number
        for row, numbers in enumerate(answer["counts"])
        for column, number in enumerate(numbers)
        if number
    }
    assert shown_matrix(page) == expected
    portal.check_accessibility()


def test_a_wrong_tag_is_corrected_from_its_cell_and_undone(portal: Portal) -> None:
    project, image = mistagged(portal.server)
    page = results(portal, project, "matrix", "&threshold=0.3")
    page.get_by_role("button", name=re.compile("'astronaut' predicted as 'chelsea'")).click()
    cell = page.get_by_role("region", name="Images: 'astronaut' predicted as 'chelsea'")
    cell.get_by_role("article").first.wait_for()
    assert cell.get_by_role("article").count() == 1
    assert "cell=" in page.url
    cell.get_by_role("button", name="Change to chelsea").click()
    cell.get_by_text("changed since the training").wait_for()
    assert tags_of(portal, project, image) == ["chelsea"]
    portal.check_accessibility()
    page.keyboard.press("Control+z")
    wait_until(lambda: tags_of(portal, project, image) == ["astronaut"], "the undo")
    cell.get_by_role("button", name="Change to chelsea").wait_for()
    page.reload()
    cell.get_by_role("article").wait_for()


def test_a_wrong_tag_is_corrected_among_all_images(portal: Portal) -> None:
    project, image = mistagged(portal.server)
    page = results(portal, project, "images", f"&threshold=0.3&wrong=1&image={image}")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Change to chelsea").click()
    dialog.get_by_text("changed since the training").wait_for()
    assert tags_of(portal, project, image) == ["chelsea"]
    portal.check_accessibility()
    dialog.get_by_role("button", name="Close").click()
    tile = page.get_by_role("tabpanel").get_by_role("listitem").filter(has_text="changed since the training")
    assert tile.count() == 1
    page.keyboard.press("Control+z")
    wait_until(lambda: tags_of(portal, project, image) == ["astronaut"], "the undo")
    tile.wait_for(state="hidden")


def test_the_matrix_is_used_by_keys_alone(portal: Portal, shown: PhotoProject) -> None:
    page = results(portal, shown, "matrix", "&threshold=0.3")
    assert page.locator("button[data-place][tabindex='0']").count() == 1
    of_row = page.get_by_role("button", name=re.compile("'astronaut' predicted (correctly|as 'chelsea')"))
    of_row.first.focus()
    place = "document.activeElement.dataset.place"
    left = page.evaluate(place)
    page.keyboard.press("ArrowRight")
    right = page.evaluate(place)
    assert left.split()[0] == right.split()[0]
    assert left.split()[1] < right.split()[1]
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(place) == left
    page.keyboard.press("Enter")
    page.get_by_role("article").first.wait_for()


def test_outcomes_of_tags_where_images_have_several(portal: Portal) -> None:
    project, _ = mistagged(portal.server, "Multilabel")
    page = results(portal, project, "matrix")
    answer = control(portal, of_iteration(project, "confusionMatrix"))
    for tag in answer["perTag"]:
        row = page.get_by_role("row").filter(has_text=tag["tagName"])
        numbers = [int(text) for text in row.get_by_role("cell").all_inner_texts()]
        fields = ("truePositives", "falsePositives", "falseNegatives", "trueNegatives")
        assert numbers == [tag[field] for field in fields]


def test_boxes_have_a_row_and_a_column_for_background(portal: Portal) -> None:
    project = photo_project(
        portal.trainer, "With boxes", domain=DETECTION, tags={"astronaut": 15, "rocket": 16}
    )
    page = results(portal, project, "matrix", "&threshold=0.05")
    answer = control(portal, of_iteration(project, "confusionMatrix"), threshold=0.05)
    names = [tag["name"] for tag in answer["tags"]]
    shown = shown_matrix(page)
    assert sum(shown.values()) == sum(map(sum, answer["counts"]))
    assert {row for row, _ in shown} <= {*names, "Background"}
    assert {column for _, column in shown} <= {*names, "Not found"}
    portal.check_accessibility()


def test_curves_have_the_values_of_the_api(portal: Portal, shown: PhotoProject) -> None:
    page = results(portal, shown, "curves")
    panel = page.get_by_role("region", name="Precision and recall")
    curve = control(portal, of_iteration(shown, "precisionRecallCurve"), points=1000)
    panel.get_by_text("Values as a table").click()
    for row in panel.locator("details tbody tr").all():
        threshold = int(row.locator("th").inner_text().rstrip("%")) / 100
        performance = portal.trainer.get_iteration_performance(
            shown.id, shown.iteration_id, threshold=threshold
        )
        precision, recall, _ = row.locator("td").all_inner_texts()
        if "%" in precision:
            assert float(precision.rstrip("%")) == pytest.approx(performance.precision * 100, abs=0.051)
            assert float(recall.rstrip("%")) == pytest.approx(performance.recall * 100, abs=0.051)

    def f1(point: dict[str, float]) -> float:
        total = point["precision"] + point["recall"]
        return 2 * point["precision"] * point["recall"] / total if total else 0.0

    best = max(f1(point) for point in curve["points"])
    assert f"(F1 {best * 100:.1f}%)" in panel.inner_text()
    assert f"Average precision {curve['averagePrecision'] * 100:.1f}%" in panel.inner_text()
    calibration = control(portal, of_iteration(shown, "calibrationCurve"))
    text = page.get_by_role("region", name="Calibration").inner_text()
    assert f"Mean error {calibration['expectedCalibrationError'] * 100:.1f}%" in text
    portal.check_accessibility()


def test_a_click_in_the_curve_sets_the_threshold(portal: Portal, shown: PhotoProject) -> None:
    page = results(portal, shown, "curves")
    area = page.locator(".u-over").first
    area.wait_for()
    box = area.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2)
    page.wait_for_url(re.compile("threshold=0.[78]"))
    threshold = float(re.findall(r"threshold=([\d.]+)", page.url)[0])
    assert threshold == pytest.approx(0.8, abs=0.03)
    page.get_by_role("button", name=re.compile("^Use ")).click()
    page.wait_for_url(lambda url: f"threshold={threshold}" not in url)


def test_one_key_changes_a_label_and_one_keeps_it(portal: Portal) -> None:
    project, image = mistagged(portal.server)
    page = results(portal, project, "hints")
    answer = control(portal, of_iteration(project, "labelHints"))
    assert answer["hints"][0]["id"] == image
    page.get_by_role("region", name=re.compile("^Hint 1 of")).wait_for()
    assert page.get_by_role("list", name="Hints").get_by_role("listitem").count() == answer["count"]
    assert page.get_by_role("heading", name=re.compile("Tagged .+astronaut.+, but")).is_visible()
    portal.check_accessibility()
    page.keyboard.press("c")
    wait_until(lambda: tags_of(portal, project, image) == ["chelsea"], "the change")
    page.keyboard.press("Control+z")
    wait_until(lambda: tags_of(portal, project, image) == ["astronaut"], "the undo")
    page.get_by_role("heading", name=re.compile("Tagged .+astronaut.+, but")).wait_for()
    page.keyboard.press("k")
    wait_until(lambda: control(portal, of_iteration(project, "labelHints"))["keptCount"] == 1, "the answer")
    assert tags_of(portal, project, image) == ["astronaut"]
    page.get_by_text("1 image kept").wait_for()
    page.keyboard.press("Control+z")
    wait_until(lambda: control(portal, of_iteration(project, "labelHints"))["keptCount"] == 0, "the undo")


def test_near_duplicates_with_different_tags_are_corrected(portal: Portal) -> None:
    import io

    from azure.cognitiveservices.vision.customvision.training import models
    from PIL import Image

    from tests.support.portal_projects import photograph

    project = photo_project(portal.trainer, "With twins", tags={"astronaut": 6, "chelsea": 6}, trained=False)
    with Image.open(io.BytesIO(photograph("astronaut", 2))) as opened:
        copy = io.BytesIO()
        opened.save(copy, "JPEG", quality=60)
    entry = models.ImageFileCreateEntry(
        name="twin.jpg", contents=copy.getvalue(), tag_ids=[project.tags["chelsea"]]
    )
    created = portal.trainer.create_images_from_files(project.id, models.ImageFileCreateBatch(images=[entry]))
    twin = created.images[0].image.id
    trained = PhotoProject(project.id, project.name, project.tags, train(portal.trainer, project.id))
    page = results(portal, trained, "hints", "&hints=duplicates")
    page.get_by_text("alike").first.wait_for()
    portal.check_accessibility()
    page.get_by_role("button", name=re.compile("Change to .+astronaut")).first.click()
    wait_until(lambda: tags_of(portal, trained, twin) == ["astronaut"], "the change")
