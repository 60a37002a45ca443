"""The whole main job on photographs, by mouse and by keyboard alone.

After each step, what the page shows is compared with what the official SDK responds.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.support.hands import Hands, Keyboard, Mouse
from tests.support.harness import PREDICTION_KEY, wait_until
from tests.support.labeling import LabelingUser, photograph, within
from tests.support.portal import Portal
from tests.support.portal_images import shown_ids
from tests.support.portal_projects import photograph as part_of_photograph

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

# Images of each folder, which becomes a tag; those at the top have none.
FOLDERS = {"astronaut": 6, "chelsea": 7, "coffee": 8}
UNTAGGED = 5
BOXES = 15
# The cup of coffee in parts of the photograph, in pixels of the part.
PART = (460, 360)


@pytest.fixture(params=[Mouse, Keyboard], ids=["mouse", "keyboard"])
def hands(portal: Portal, request: pytest.FixtureRequest) -> Iterator[Hands]:
    hands: Hands = request.param(portal.page)
    yield hands
    if isinstance(hands, Keyboard):
        assert not hands.hidden, "\n".join(sorted(set(hands.hidden)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of photographs. One of the coffee is in the folder of the astronaut."""
    top = tmp_path / "camera"
    for name, count in FOLDERS.items():
        (top / name).mkdir(parents=True)
        for number in range(count):
            (top / name / f"{number}.jpg").write_bytes(part_of_photograph(name, number))
    (top / "astronaut" / "wrong.jpg").write_bytes(part_of_photograph("coffee", 9))
    for number in range(UNTAGGED):
        (top / f"{number}.jpg").write_bytes(part_of_photograph("rocket", number))
    return top


def percent_of(text: str) -> float:
    return float(re.findall(r"(\d+\.\d)%", text)[0])


def is_shown(text: str, fraction: float) -> bool:
    """Whether a text shows the fraction; its last digit may be rounded otherwise."""
    return percent_of(text) == pytest.approx(fraction * 100, abs=0.051)


class Job:
    """The steps on the pages, each with its comparison."""

    def __init__(self, portal: Portal, hands: Hands) -> None:
        self.portal = portal
        self.page: Page = portal.page
        self.hands = hands
        self.project = ""

    @property
    def sdk(self) -> Any:
        return self.portal.trainer

    # --- project and images ---------------------------------------------------------------------------------

    def create_project(self, name: str, *choices: str) -> None:
        page, hands = self.page, self.hands
        self.portal.open("projects")
        hands.press(page.get_by_role("main").get_by_role("button", name="New project"))
        dialog = page.get_by_role("dialog", name="New project")
        hands.write(dialog.get_by_role("textbox", name="Name"), name)
        hands.write(dialog.get_by_role("textbox", name="Description"), "Photographs ☕")
        for choice in choices:
            hands.choose(dialog.get_by_role("radio", name=choice, exact=True))
        hands.press(dialog.get_by_role("button", name="Create project"))
        page.wait_for_url("**/images")
        self.project = page.url.split("/")[-2]
        expect(page.get_by_role("heading", name="No images yet")).to_be_visible()
        made = self.sdk.get_project(self.project)
        assert (made.name, made.description) == (name, "Photographs ☕")
        expect(page.locator(".project-name")).to_have_text(made.name)
        domain = self.sdk.get_domain(made.settings.domain_id)
        kind = made.settings.classification_type
        assert set(choices) <= {
            domain.name,
            kind,
            "Object detection" if domain.type == "ObjectDetection" else "",
        }

    def upload(self, folder: Path) -> None:
        page, hands = self.page, self.hands
        count = sum(path.is_file() for path in folder.rglob("*"))
        hands.press(page.get_by_role("button", name="Add images").first)
        dialog = page.get_by_role("dialog", name="Add images")
        hands.choose_files(dialog.get_by_role("button", name="Choose a folder"), folder)
        hands.press(dialog.get_by_role("button", name=f"Upload {count} images"))
        expect(page.get_by_test_id("upload-state")).to_have_text(f"{count} images uploaded")
        assert self.sdk.get_image_count(self.project) == count
        self.compare_images()

    def compare_images(self) -> None:
        """Numbers of images and tags beside the grid, and the images in it."""
        page, sdk, project = self.page, self.sdk, self.project
        numbers = {
            "All": sdk.get_image_count(project),
            "Tagged": sdk.get_tagged_image_count(project),
            "Untagged": sdk.get_untagged_image_count(project),
        }
        for status, number in numbers.items():
            expect(page.get_by_test_id(f"count-{status}")).to_have_text(str(number))
        tags = sorted(sdk.get_tags(project), key=lambda tag: str(tag.name))
        expect(page.get_by_test_id("tag-count")).to_have_text([str(tag.image_count) for tag in tags])
        listed = {image.id: image for image in sdk.get_images(project, take=256)}
        status = "Untagged" if "status=untagged" in page.url else "All"
        expect(page.get_by_test_id("image-count")).to_have_text(re.compile(rf"^{numbers[status]} images?$"))
        for image_id in shown_ids(page):
            label = page.locator(f"[data-image='{image_id}']").get_attribute("aria-label") or ""
            assert all(tag.tag_name in label for tag in listed[image_id].tags or []), label

    def tag_untagged_images(self, name: str) -> None:
        page, hands = self.page, self.hands
        hands.choose(page.get_by_role("radio", name="Untagged", exact=True))
        expect(page.get_by_test_id("image-count")).to_have_text(f"{UNTAGGED} images")
        untagged = {image.id for image in self.sdk.get_images(self.project, tagging_status="Untagged")}
        # The number can be there before the images.
        wait_until(lambda: set(shown_ids(page)) == untagged, "the untagged images")
        tiles = page.locator("[data-image]")
        if isinstance(hands, Keyboard):
            hands.reach(tiles.first)
            page.keyboard.press("Space")
            for _ in range(UNTAGGED - 1):
                page.keyboard.press("Shift+ArrowRight")
        else:
            tiles.first.locator("[data-check]").click()
            tiles.last.click(modifiers=["Shift"])
        expect(page.get_by_test_id("selected-count")).to_have_text(f"{UNTAGGED} selected")
        if isinstance(hands, Keyboard):
            page.keyboard.press("t")
        else:
            hands.press(page.get_by_role("button", name="Tag", exact=True))
        expect(page.get_by_placeholder("Search, or a new name")).to_be_focused()
        page.keyboard.type(name)
        if isinstance(hands, Keyboard):
            page.keyboard.press("Enter")
        else:
            page.get_by_role("option", name="Create tag").click()
        expect(page.get_by_text("No image fits").or_(page.get_by_text("0 images")).first).to_be_visible()
        hands.choose(page.get_by_role("radio", name="All images", exact=True))
        page.locator("[data-image]").first.wait_for()
        (tag,) = (tag for tag in self.sdk.get_tags(self.project) if tag.name == name)
        assert tag.image_count == UNTAGGED
        self.compare_images()

    # --- training and results -------------------------------------------------------------------------------

    def train(self) -> str:
        page, hands = self.page, self.hands
        hands.go("Train", "g t")
        table = page.get_by_role("table", name="Images per tag")
        table.wait_for()
        rows = table.locator("tbody tr").all()
        shown = {
            row.locator("td").first.inner_text().split("\n")[0]: int(row.locator("td").nth(1).inner_text())
            for row in rows
        }
        assert shown == {tag.name: tag.image_count for tag in self.sdk.get_tags(self.project)}
        hands.press(page.get_by_role("button", name="Train", exact=True))
        hands.press(page.get_by_role("link", name="See how good it is"))
        page.get_by_role("heading", name="Performance per tag").wait_for()
        newest = max(self.sdk.get_iterations(self.project), key=lambda each: each.created)
        assert newest.status == "Completed"
        assert newest.id in page.url
        expect(page.get_by_role("heading", name=newest.name, level=1)).to_be_visible()
        return str(newest.id)

    def compare_figures(self, iteration: str, threshold: float, **more: float) -> None:
        page = self.page
        figures = self.sdk.get_iteration_performance(self.project, iteration, threshold=threshold, **more)
        overall = (
            ("Precision", figures.precision),
            ("Recall", figures.recall),
            ("AP", figures.average_precision),
        )
        for name, value in overall:
            expect(page.get_by_role("group", name=name, exact=True)).to_contain_text("%")
            text = page.get_by_role("group", name=name, exact=True).inner_text()
            assert is_shown(text, value), (name, text, value)
        counts = {
            tag.name: tag.image_count for tag in self.sdk.get_tags(self.project, iteration_id=iteration)
        }
        assert counts.keys() == {tag.name for tag in figures.per_tag_performance}
        for tag in figures.per_tag_performance:
            row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=tag.name))
            texts = row.get_by_role("cell").all_inner_texts()
            for text, value in zip(texts, (tag.precision, tag.recall, tag.average_precision), strict=False):
                assert is_shown(text, value), (tag.name, text, value)
            assert texts[-1].strip() == str(counts[tag.name])

    def move_threshold(self, iteration: str) -> None:
        """The slider, which keys and clicks move, and the figures at the new threshold."""
        page = self.page
        slider = page.get_by_role("slider", name="Probability threshold")
        if isinstance(self.hands, Keyboard):
            page.keyboard.press("]")
        else:
            slider.locator("xpath=ancestor::*[contains(@class, 'track')]").first.click(
                position={"x": 40, "y": 2}
            )
        page.wait_for_url("**threshold=*")
        threshold = float(re.findall(r"threshold=([\d.]+)", page.url)[0])
        assert slider.get_attribute("aria-valuenow") == str(round(threshold * 100))
        self.portal.settle()
        self.compare_figures(iteration, threshold)

    def correct_a_tag(self, iteration: str) -> None:
        """Through the cell of the confusion matrix that has the wrong image."""
        page, hands = self.page, self.hands
        wrong = next(
            image
            for image in self.sdk.get_image_performances(self.project, iteration, take=256)
            if [tag.tag_name for tag in image.tags] == ["astronaut"]
            and max(image.predictions, key=lambda each: each.probability).tag_name == "coffee"
        )
        hands.choose(page.get_by_role("tab", name="Confusion matrix"))
        cell = page.get_by_role("button", name=re.compile("'astronaut' predicted as 'coffee'"))
        if isinstance(hands, Keyboard):
            self.reach_cell(hands, cell)
            page.keyboard.press("Enter")
        else:
            cell.click()
        images = page.get_by_role("region", name="Images: 'astronaut' predicted as 'coffee'")
        images.get_by_role("article").first.wait_for()
        assert images.get_by_role("article").count() == int(cell.inner_text()) == 1
        text = images.get_by_role("article").inner_text()
        likely = max(wrong.predictions, key=lambda each: each.probability)
        assert is_shown(text, likely.probability), text
        hands.press(images.get_by_role("button", name="Change to coffee"))
        images.get_by_text("changed since the training").wait_for()
        (image,) = self.sdk.get_images_by_ids(self.project, [wrong.id])
        assert [tag.tag_name for tag in image.tags] == ["coffee"]

    def reach_cell(self, keyboard: Keyboard, cell: Locator) -> None:
        """The table is one stop of Tab; arrows go on from there: first to the row, then in it."""
        stop = self.page.locator("button[data-place][tabindex='0']")
        keyboard.reach(stop)
        row, column = map(int, (cell.get_attribute("data-place") or "").split())
        while True:
            place = self.page.evaluate("document.activeElement.dataset.place")
            at_row, at_column = map(int, place.split())
            if place == cell.get_attribute("data-place"):
                return
            if at_row != row:
                self.page.keyboard.press("ArrowDown" if at_row < row else "ArrowUp")
            else:
                self.page.keyboard.press("ArrowRight" if at_column < column else "ArrowLeft")
            assert self.page.evaluate("document.activeElement.dataset.place") != place, place

    # --- publishing and predictions -------------------------------------------------------------------------

    def publish(self, iteration: str, name: str) -> None:
        page, hands = self.page, self.hands
        hands.press(page.get_by_role("button", name="Publish", exact=True))
        dialog = page.get_by_role("dialog", name="Publish the iteration")
        hands.write(dialog.get_by_role("textbox", name="Name"), name)
        hands.press(dialog.get_by_role("button", name="Publish", exact=True))
        opener = page.get_by_role("button", name="Prediction URL")
        opener.wait_for()
        found = self.sdk.get_iteration(self.project, iteration)
        assert found.publish_name == name
        page.get_by_text(f"published as '{found.publish_name}'").wait_for()
        hands.press(opener)
        dialog = page.get_by_role("dialog", name="Prediction URL")
        url = dialog.get_by_role("row", name="URL").locator("code").inner_text()
        key = dialog.get_by_role("row", name="Prediction-Key").locator("code").first.inner_text()
        requested: list[str] = []
        predictor = self.portal.predictor
        predictor.config.add_user_agent("main-job")
        sent = predictor.classify_image(
            self.project, name, part_of_photograph("chelsea", 12), raw=True
        ).response.request
        requested.append(sent.url)
        assert requested == [url]
        assert key == PREDICTION_KEY
        hands.close(dialog)
        expect(opener).to_be_focused()

    def quick_test(self, path: Path, iteration: str) -> None:
        page, hands = self.page, self.hands
        hands.go("Quick test", "g q")
        hands.choose_files(page.get_by_role("button", name="Choose images"), path)
        result = page.get_by_role("region", name="Result")
        result.locator("tbody tr").first.wait_for()
        expected = self.sdk.quick_test_image(
            self.project, path.read_bytes(), iteration_id=iteration, store=False
        ).predictions
        self.compare_predictions(result, expected)

    def compare_predictions(self, place: Locator, expected: list[Any]) -> None:
        rows = [row.split("\t") for row in place.locator("tbody tr").all_inner_texts()]
        assert [name.strip() for name, _ in rows] == [each.tag_name for each in expected]
        for (_, text), each in zip(rows, expected, strict=True):
            assert is_shown(text, each.probability)

    def take_over_a_prediction(self) -> None:
        from azure.cognitiveservices.vision.customvision.training.models import PredictionQueryToken

        page, hands, sdk = self.page, self.hands, self.sdk
        hands.go("Predictions", "g p")
        hands.pick(page.get_by_role("combobox", name="Order"), "Newest first")
        tiles = page.get_by_role("button", name=re.compile("^Open the prediction"))
        query = PredictionQueryToken(order_by="Newest", max_count=64)
        stored = sdk.query_predictions(self.project, query).results
        expect(tiles).to_have_count(len(stored))
        for tile, each in zip(tiles.all(), stored, strict=True):
            text = tile.get_attribute("aria-label") or ""
            assert each.predictions[0].tag_name in text
            assert is_shown(text, each.predictions[0].probability)
        before = sdk.get_image_count(self.project)
        hands.press(tiles.first)
        dialog = page.get_by_role("dialog", name="Prediction 1")
        dialog.locator("tbody tr").first.wait_for()
        self.compare_predictions(dialog, stored[0].predictions)
        hands.press(dialog.get_by_role("button", name="Add to the training images"))
        expect(tiles).to_have_count(len(stored) - 1)
        assert sdk.get_image_count(self.project) == before + 1
        (image,) = sdk.get_images(self.project, order_by="Newest", take=1)
        assert [tag.tag_name for tag in image.tags] == [stored[0].predictions[0].tag_name]
        assert stored[0].id not in [each.id for each in sdk.query_predictions(self.project, query).results]
        if page.get_by_role("dialog").count():
            hands.close(page.get_by_role("dialog"))

    def export(self, iteration: str) -> None:
        page, hands = self.page, self.hands
        hands.go("Results", "g r")
        hands.press(page.get_by_role("button", name="Export", exact=True))
        dialog = page.get_by_role("dialog", name="Export the iteration")
        hands.press(
            dialog.get_by_role("button", name="Export ONNX: Opset 12, no flavor in the request", exact=True)
        )
        download = hands.download(
            dialog.get_by_role("link", name="Download ONNX: Opset 12, no flavor in the request", exact=True)
        )
        (export,) = self.sdk.get_exports(self.project, iteration)
        assert (export.platform, export.status) == ("ONNX", "Done")
        with zipfile.ZipFile(download.path()) as archive:
            assert "model.onnx" in archive.namelist()
        hands.close(dialog)

    # --- boxes ----------------------------------------------------------------------------------------------

    def draw_boxes(self, tag: str, count: int) -> None:
        """One box on each image: around the object by mouse, in the middle and then moved by keys."""
        page, hands = self.page, self.hands
        user = LabelingUser(self.portal, project=self.project)
        hands.go("Label", "g l")
        user.canvas.locator("img").wait_for()
        field = page.get_by_role("combobox", name="Search for a tag")
        hands.press(field)
        page.keyboard.type(tag)
        page.keyboard.press("Enter")
        # The field keeps the focus, and so the keys, until the tag exists.
        expect(field).to_have_value("")
        drawn = []
        for number in range(1, count + 1):
            user.position(f"{number} of {count}")
            if isinstance(hands, Keyboard):
                page.keyboard.press("n")
                page.keyboard.press("Shift+ArrowUp")
                page.keyboard.press("Alt+ArrowRight")
                for _ in range(number % 4):
                    page.keyboard.press("ArrowLeft")
            else:
                user.drag((100 + number, 40), (400, 320))
            page.get_by_role("heading", name="Boxes (1)").wait_for()
            fields = [page.get_by_label(side, exact=True) for side in ("X", "Y", "Width", "Height")]
            drawn.append(tuple(float(field.input_value()) for field in fields))
            if isinstance(hands, Keyboard):
                page.keyboard.press("Enter")
            else:
                hands.press(page.get_by_role("button", name="Save and go to the next image"))
        page.get_by_role("status").filter(has_text="last image").wait_for(state="attached")
        user.is_saved()
        images = self.sdk.get_images(self.project, take=256)
        stored = [box for image in images for box in user.boxes(image.id)]
        assert [box.tag for box in stored] == [tag] * count
        for box, expected in zip(sorted(box.box for box in stored), sorted(drawn), strict=True):
            assert within(box, expected, 0.01), (box, expected)


def test_photographs_become_a_published_classifier(
    portal: Portal, hands: Hands, folder: Path, tmp_path: Path
) -> None:
    job = Job(portal, hands)
    job.create_project(f"Main job by {type(hands).__name__}", "Multiclass", "General (compact)")
    job.upload(folder)
    job.tag_untagged_images("rocket")
    iteration = job.train()
    job.compare_figures(iteration, 0.5)
    job.move_threshold(iteration)
    job.correct_a_tag(iteration)
    job.publish(iteration, "live")
    (tmp_path / "unknown.jpg").write_bytes(part_of_photograph("chelsea", 14))
    job.quick_test(tmp_path / "unknown.jpg", iteration)
    job.take_over_a_prediction()
    job.export(iteration)


def test_boxes_on_photographs_become_a_detector(portal: Portal, hands: Hands, tmp_path: Path) -> None:
    folder = tmp_path / "cups"
    folder.mkdir()
    for number in range(BOXES):
        crop = (20 + 3 * number, 2 * number, 20 + 3 * number + PART[0], 2 * number + PART[1])
        (folder / f"{number}.jpg").write_bytes(photograph("coffee.png", crop=crop))
    job = Job(portal, hands)
    job.create_project(f"Boxes by {type(hands).__name__}", "Object detection")
    job.upload(folder)
    job.draw_boxes("cup", BOXES)
    iteration = job.train()
    job.compare_figures(iteration, 0.5, overlap_threshold=0.3)
