"""Data sets in and out: dropped or chosen, previewed, imported with progress, and exported."""

from __future__ import annotations

import json
import re
import zipfile
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.portal.conftest import OpenPortal
from tests.support.data_sets import Content, boxed_set, tagged_set, write_files, written, zip_of
from tests.support.hands import Keyboard
from tests.support.images import picture
from tests.support.live_server import LiveServer
from tests.support.portal import Portal
from tests.support.portal_images import project_with
from tests.support.portal_projects import DETECTION, GENERAL

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

FILES = "[role=dialog] input[type=file]:not([webkitdirectory])"
FOLDER = "[role=dialog] input[webkitdirectory]"
_TRANSFER = """files => {
  const transfer = new DataTransfer();
  for (const [name, bytes] of files) transfer.items.add(new File([new Uint8Array(bytes)], name));
  return transfer;
}"""


def archive(name: str, files: Content) -> Any:
    """A file for an input of the page."""
    return {"name": name, "mimeType": "application/zip", "buffer": zip_of(files)}


def drop(page: Page, *files: tuple[str, bytes]) -> None:
    data = page.evaluate_handle(_TRANSFER, [[name, list(content)] for name, content in files])
    page.dispatch_event("main", "drop", {"dataTransfer": data})


def rows(dialog: Locator) -> list[list[str]]:
    """The tags of the preview: their cells."""
    table = dialog.get_by_role("table", name="Tags of the data set")
    table.wait_for()
    found: list[list[str]] = table.locator("tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => cell.innerText.trim()))"
    )
    return found


def open_import(portal: Portal) -> Locator:
    page = portal.open("projects")
    page.get_by_role("button", name="Import", exact=True).click()
    dialog = page.get_by_role("dialog", name="Import")
    dialog.get_by_text("Drop a folder, a zip archive or files of a data set").wait_for()
    return dialog


def shows_focus(page: Page, element: Locator) -> bool:
    page.wait_for_function("each => each === document.activeElement", arg=element.element_handle())
    return True


def test_a_folder_becomes_a_project_after_its_preview(portal: Portal, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "harbour", written(boxed_set(6), "yolo"))
    dialog, page = open_import(portal), portal.page
    page.locator(FOLDER).set_input_files(folder)
    assert rows(dialog) == [
        ["cat", "5", "7", "new"],
        ["dog & co", "4", "5", "new"],
        ["Vogel ä", "3", "3", "new"],
    ]
    assert dialog.get_by_role("textbox", name="Project").input_value() == "harbour"
    assert dialog.get_by_role("combobox", name="Format").input_value() == "Recognized: YOLO (Ultralytics)"
    portal.check_accessibility()
    assert all(each.name != "harbour" for each in portal.trainer.get_projects())

    dialog.get_by_role("button", name="Import 6 images").click()
    dialog.get_by_text("6 images, 3 tags and 15 boxes were added").wait_for()
    portal.check_accessibility()
    link = dialog.get_by_role("link", name="Show the images")
    assert shows_focus(page, link)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/projects/[0-9a-f-]{36}/images$"))
    (project,) = (each for each in portal.trainer.get_projects() if each.name == "harbour")
    assert project.settings.domain_id == DETECTION
    images = portal.trainer.get_images(project.id)
    assert sorted(len(each.regions or []) for each in images) == [0, 1, 2, 3, 4, 5]
    page.get_by_text("6 images").first.wait_for()


def test_a_dropped_archive_says_which_tags_and_images_are_new(portal: Portal) -> None:
    project, _ = project_with(portal.trainer, ("CAT", "bird"), per_tag=2)
    page = portal.open(f"projects/{project}/images")
    page.locator("[data-image]").first.wait_for()
    files = written(tagged_set([("cat",), ("cat", "dog"), ("dog",), (), ("cat",), ("cat",)]), "csv")
    drop(page, ("more.zip", zip_of(files)))
    dialog = page.get_by_role("dialog", name="Import a data set")
    assert rows(dialog) == [["cat", "4", "exists"], ["dog", "2", "new"]]
    facts = dialog.get_by_role("region", name="Content of the data set").inner_text()
    # Four of the images are those of the project.
    assert re.search(
        r"Images\s+6, 2 new, 4 in the project already, 2 of these get labels, 1 without a tag", facts
    )
    portal.check_accessibility()
    dialog.get_by_role("button", name="Import 2 images").click()
    dialog.get_by_text("2 images and 1 tag were added").wait_for()
    dialog.get_by_role("link", name="Show the images").click()
    dialog.wait_for(state="hidden")
    page.get_by_test_id("image-count").get_by_text("6 images").wait_for()
    counts = {tag.name: tag.image_count for tag in portal.trainer.get_tags(project)}
    assert counts == {"CAT": 4, "bird": 2, "dog": 2}
    # The same again has nothing to add.
    drop(page, ("more.zip", zip_of(files)))
    nothing = dialog.get_by_role("button", name="The project has all of it")
    nothing.wait_for()
    assert nothing.get_attribute("aria-disabled") == "true"


def test_a_dropped_data_set_can_be_uploaded_without_its_labels(portal: Portal) -> None:
    project, _ = project_with(portal.trainer, ("cat",), per_tag=1)
    page = portal.open(f"projects/{project}/images")
    page.locator("[data-image]").first.wait_for()
    drop(page, ("a.png", picture(50)), ("labels.csv", b"path,tag\na.png,dog\n"))
    dialog = page.get_by_role("dialog", name="Import a data set")
    assert rows(dialog) == [["dog", "1", "new"]]
    dialog.get_by_role("button", name="Add the images only").click()
    page.get_by_role("dialog", name="Add images").get_by_role("button", name="Upload 1 image").click()
    page.get_by_test_id("upload-state").get_by_text("1 image uploaded").wait_for()
    assert [tag.name for tag in portal.trainer.get_tags(project)] == ["cat"]


def test_errors_are_said_with_file_and_line_until_they_are_corrected(portal: Portal) -> None:
    project = portal.trainer.create_project("corrected", domain_id=GENERAL).id
    page = portal.open(f"projects/{project}/images?dialog=dataset")
    dialog = page.get_by_role("dialog", name="Import a data set")
    table = "path,tag\na.png,cat\nmissing.png,dog\n"
    page.locator(FILES).set_input_files([archive("broken.zip", {"labels.csv": table, "a.png": picture(1)})])
    dialog.get_by_role("alert").get_by_text("1 error: it cannot be imported").wait_for()
    problem = dialog.get_by_role("group", name="Errors and notes").get_by_role("listitem").first
    assert problem.inner_text().startswith("error")
    assert "labels.csv, line 3" in problem.inner_text()
    button = dialog.get_by_role("button", name="Check again")
    assert button.get_attribute("aria-disabled") == "true"
    portal.check_accessibility()

    dialog.get_by_role("checkbox", name="Leave out labels of images that are not there").check()
    button.click()
    dialog.get_by_role("button", name="Import 1 image").click()
    dialog.get_by_text("were added to").or_(dialog.get_by_text("was added to")).wait_for()
    assert [(tag.name, tag.image_count) for tag in portal.trainer.get_tags(project)] == [("cat", 1)]


def test_the_format_and_the_parts_can_be_chosen(portal: Portal) -> None:
    dialog, page = open_import(portal), portal.page
    files = {
        f"{part}/{tag}/{number}.png": picture(10 * index + number)
        for index, (part, tag) in enumerate([("train", "cat"), ("train", "dog"), ("val", "cat")])
        for number in range(2)
    }
    page.locator(FILES).set_input_files([archive("divided.zip", files)])
    assert rows(dialog) == [["cat", "4", "new"], ["dog", "2", "new"]]
    dialog.get_by_role("checkbox", name="train (4)").uncheck()
    dialog.get_by_role("button", name="Check again").click()
    dialog.get_by_role("button", name="Import 2 images").wait_for()
    assert rows(dialog) == [["cat", "2", "new"]]
    # One part is the least.
    assert dialog.get_by_role("checkbox", name="val (2)").is_disabled()
    dialog.get_by_role("combobox", name="Format").click()
    page.get_by_role("option", name="COCO").click()
    dialog.get_by_role("button", name="Check again").click()
    dialog.get_by_role("alert").get_by_text("The data set cannot be read").wait_for()
    portal.check_accessibility()


def test_what_is_no_data_set_is_said_and_the_dialog_goes_on(portal: Portal) -> None:
    dialog, page = open_import(portal), portal.page
    page.locator(FILES).set_input_files(
        [{"name": "cut.zip", "mimeType": "", "buffer": b"PK\x03\x04 and no more"}]
    )  # type: ignore[list-item]
    dialog.get_by_role("alert").get_by_text("It is not a zip file, or it is not complete.").wait_for()
    page.locator(FILES).set_input_files([{"name": "notes.txt", "mimeType": "", "buffer": b"nothing"}])  # type: ignore[list-item]
    dialog.get_by_role("alert").get_by_text("It has neither images nor labels in a known format.").wait_for()
    page.locator(FILES).set_input_files(
        [archive("good.zip", {"cat/1.png": picture(1), "dog/2.png": picture(2)})]
    )
    assert rows(dialog) == [["cat", "1", "new"], ["dog", "1", "new"]]
    # What was only checked is forgotten with the dialog.
    with page.expect_response(lambda each: each.request.method == "DELETE") as forgotten:
        page.keyboard.press("Escape")
    assert forgotten.value.status == 204
    dialog.wait_for(state="hidden")


def test_sending_is_cancelled_and_an_import_is_stopped(portal: Portal) -> None:
    dialog, page = open_import(portal), portal.page
    # Set before any of the requests: Chromium may not report one that begins while interception is switched.
    is_answered = is_stopped = False

    def send(route: Any) -> None:
        if is_answered:
            route.continue_()

    def read(route: Any) -> None:
        if is_stopped:
            route.continue_()
            return
        # The state is that of the beginning, until it was stopped.
        response = route.fetch()
        found = response.json()
        route.fulfill(response=response, json=found if found["dryRun"] else found | {"status": "Waiting"})

    page.route("**/_emulator/dataSets?**", send)
    page.route(re.compile(r"/_emulator/dataSets/[0-9a-f-]{36}$"), read)
    page.locator(FILES).set_input_files([archive("slow.zip", {"cat/1.png": picture(1)})])
    progress = dialog.get_by_role("group", name="Progress")
    progress.get_by_text(re.compile("^Sending")).wait_for()
    portal.check_accessibility()
    progress.get_by_role("button", name="Cancel").click()
    check = dialog.get_by_role("button", name="Check")
    assert shows_focus(page, check)
    is_answered = True
    check.click()
    dialog.get_by_role("button", name="Import 1 image").wait_for()

    dialog.get_by_role("button", name="Import 1 image").click()
    progress.get_by_text("Importing").wait_for()
    portal.check_accessibility()
    portal.expects("status of 409")  # it has ended already, which the dialog then says
    with page.expect_response(re.compile("/_emulator/jobs/.*/cancel")):
        progress.get_by_role("button", name="Stop the import").click()
    is_stopped = True
    dialog.get_by_text("The data set is imported").or_(dialog.get_by_text("Nothing was imported")).wait_for()


def test_an_import_goes_on_after_the_server_was_gone(open_portal: OpenPortal, tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "data", "--trainer", "instant")
    portal = open_portal(server)
    portal.expects("ERR_CONNECTION", "ERR_EMPTY_RESPONSE", "ERR_SOCKET", "Failed to load resource")
    dialog, page = open_import(portal), portal.page
    server.kill()
    page.locator(FILES).set_input_files(
        [archive("pets.zip", {"cat/1.png": picture(1), "dog/2.png": picture(2)})]
    )
    dialog.get_by_text("Waiting for the emulator").wait_for()
    again = LiveServer(tmp_path / "data", "--trainer", "instant", "--port", str(server.port))
    try:
        button = dialog.get_by_role("button", name="Import 2 images")
        button.wait_for()
        again.kill()
        again = LiveServer(tmp_path / "data", "--trainer", "instant", "--port", str(server.port))
        # Another process has the checked archive no longer.
        button.click()
        dialog.get_by_role("alert").get_by_text("Check it again").wait_for()
        dialog.get_by_role("button", name="Check").click()
        button.click()
        dialog.get_by_text("2 images and 2 tags were added to").wait_for()
    finally:
        portal.context.close()
        again.terminate()


def test_an_import_by_keyboard_alone(portal: Portal, tmp_path: Path) -> None:
    file = tmp_path / "keys.zip"
    file.write_bytes(zip_of({"cat/1.png": picture(1), "dog/2.png": picture(2)}))
    hands = Keyboard(portal.page)
    page = portal.open("projects")
    hands.press(page.get_by_role("button", name="Import", exact=True))
    dialog = page.get_by_role("dialog", name="Import")
    portal.settle()
    hands.choose_files(dialog.get_by_role("button", name="Choose files"), file)
    hands.write(dialog.get_by_role("textbox", name="Project"), "by keys")
    hands.press(dialog.get_by_role("button", name="Check again"))
    ready = dialog.get_by_role("button", name="Import 2 images")
    ready.wait_for()
    hands.press(ready)
    assert shows_focus(page, dialog.get_by_role("link", name="Show the images"))
    assert not hands.hidden


def test_a_project_is_exported_after_what_is_lost_was_said(portal: Portal, tmp_path: Path) -> None:
    project, _ = project_with(portal.trainer, ("cat", "dog"), per_tag=2, untagged=1)
    page = portal.open(f"projects/{project}/images")
    page.get_by_role("button", name="Data sets").click()
    page.get_by_role("menuitem", name="Export as a data set").click()
    dialog = page.get_by_role("dialog", name="Export as a data set")
    dialog.get_by_role("link", name="Download 5 images").wait_for()
    dialog.get_by_role("combobox", name="Format").click()
    assert page.get_by_role("option", name="Pascal VOC").count() == 0  # a classifier has no boxes
    page.get_by_role("option", name="YOLO for classification").click()
    losses = dialog.get_by_role("group", name="What the format does not represent")
    losses.get_by_text("without a tag").first.wait_for()
    portal.check_accessibility()
    with page.expect_download() as download:
        dialog.get_by_role("link", name=re.compile("^Download")).click()
    assert download.value.suggested_filename.endswith("-yolo-classification.zip")
    content = zipfile.ZipFile(BytesIO(Path(download.value.path()).read_bytes()))
    assert json.loads(content.read("customvision.json"))
    assert sum(name.endswith(".png") for name in content.namelist()) == 4


@pytest.mark.parametrize(
    ("query", "name"),
    [("?dialog=dataset", "Import a data set"), ("?dialog=export", "Export as a data set")],
)
def test_the_dialogs_have_addresses(portal: Portal, query: str, name: str) -> None:
    project, _ = project_with(portal.trainer, ("cat",), per_tag=1)
    page = portal.open(f"projects/{project}/images{query}")
    page.get_by_role("dialog", name=name).wait_for()
    portal.check_accessibility()
