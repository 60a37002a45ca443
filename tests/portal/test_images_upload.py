"""Uploads: files, folders and archives, what is refused, and a server that goes away."""

from __future__ import annotations

import re
import zipfile
from io import BytesIO
from pathlib import Path

import numpy
import pytest
from PIL import Image

from tests.portal.conftest import OpenPortal
from tests.support.images import picture, pictures
from tests.support.live_server import LiveServer
from tests.support.portal import Portal
from tests.support.portal_images import project_with, tile, wait_for_text

FILES = "input[type=file]:not([webkitdirectory])"
FOLDER = "input[webkitdirectory]"


@pytest.fixture
def fruit(tmp_path: Path) -> Path:
    """A folder of three levels with images, and files that are none."""
    folder = tmp_path / "fruit"
    places = ("apple/red", "apple/red", "apple/green", "pear", "pear", ".")
    for number, place in enumerate(places):
        (folder / place).mkdir(parents=True, exist_ok=True)
        (folder / place / f"{number}.png").write_bytes(picture(number))
    (folder / "pear" / "again.png").write_bytes(picture(0))
    (folder / "notes.txt").write_text("no image", encoding="utf-8")
    (folder / "empty.jpg").touch()
    (folder / "broken.png").write_bytes(picture(9)[:60])
    return folder


def test_a_folder_is_uploaded_with_its_tags_and_each_refused_file_is_listed(
    portal: Portal, fruit: Path
) -> None:
    trainer = portal.trainer
    project = trainer.create_project("fruit").id
    page = portal.open(f"projects/{project}/images")
    page.get_by_role("button", name="Add images").first.click()
    page.locator(FOLDER).set_input_files(fruit)
    dialog = page.get_by_role("dialog", name="Add images")
    dialog.get_by_text("2 files left out").wait_for()
    dialog.get_by_text("The file is empty").wait_for()
    wanted = {"green": "1", "pear": "3", "red": "2"}
    table = dialog.get_by_role("table", name="Tags of folders")
    for tag, number in wanted.items():
        assert number in table.get_by_role("row", name=tag).inner_text()
    assert trainer.get_tags(project) == [], "nothing is written before"
    portal.check_accessibility()
    dialog.get_by_label("Tags for all images").fill("fruit")
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Upload 8 images").click()
    wait_for_text(page.get_by_test_id("upload-state"), "6 images uploaded")
    # The next keys are meant for the images.
    tile(page, 0).wait_for()
    page.keyboard.press("ArrowRight")
    page.locator("[data-index='0'][data-image]:focus").wait_for()
    page.get_by_role("button", name="Details").click()
    report = page.get_by_role("dialog", name="Upload")
    report.get_by_text("6 images uploaded, 3 refused, 1 duplicate.").wait_for()
    # Batches of different tags are sent at once: either of the two equal files can come second.
    duplicate = report.get_by_role("listitem").filter(has_text="The project has this image already")
    assert re.search(r"(?:again|0)\.png", duplicate.inner_text())
    assert "It has the tags" in duplicate.inner_text()
    portal.check_accessibility()
    counts = {tag.name: tag.image_count for tag in trainer.get_tags(project)}
    assert counts == {"green": 1, "pear": 3, "red": 2, "fruit": 6}
    assert trainer.get_image_count(project) == 6


def test_the_first_folder_can_be_the_tag_and_a_multiclass_project_has_one(
    portal: Portal, fruit: Path
) -> None:
    trainer = portal.trainer
    project = trainer.create_project("fruit", classification_type="Multiclass").id
    page = portal.open(f"projects/{project}/images")
    page.get_by_role("button", name="Add images").first.click()
    page.locator(FOLDER).set_input_files(fruit)
    page.get_by_text("First folder").click()
    dialog = page.get_by_role("dialog", name="Add images")
    dialog.get_by_role("table", name="Tags of folders").get_by_text("apple").wait_for()
    dialog.get_by_role("button", name="Upload 8 images").click()
    wait_for_text(page.get_by_test_id("upload-state"), "6 images uploaded")
    counts = {tag.name: tag.image_count for tag in trainer.get_tags(project)}
    assert counts == {"apple": 3, "pear": 2}


def test_archives_are_opened_and_broken_ones_are_reported(portal: Portal, tmp_path: Path) -> None:
    trainer = portal.trainer
    project = trainer.create_project("archives").id
    with zipfile.ZipFile(tmp_path / "good.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number, content in enumerate(pictures(3)):
            archive.writestr(f"plum/{number}.png", content)
    (tmp_path / "cut.zip").write_bytes((tmp_path / "good.zip").read_bytes()[:-30])
    page = portal.open(f"projects/{project}/images")
    page.get_by_role("button", name="Add images").first.click()
    page.locator(FILES).set_input_files([tmp_path / "good.zip", tmp_path / "cut.zip"])
    page.get_by_text("The archive is damaged or incomplete.").wait_for()
    page.get_by_role("button", name="Upload 3 images").click()
    wait_for_text(page.get_by_test_id("upload-state"), "3 images uploaded")
    assert [(tag.name, tag.image_count) for tag in trainer.get_tags(project)] == [("plum", 3)]


def test_large_images_are_scaled_down_and_kept_upright(portal: Portal, tmp_path: Path) -> None:
    trainer = portal.trainer
    project = trainer.create_project("large").id
    pixels = numpy.random.default_rng(0).integers(0, 255, (2000, 3000, 3), numpy.uint8)
    pixels[:, :600] = (255, 0, 0)  # left as stored, at the top when it is turned upright
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    Image.fromarray(pixels).save(tmp_path / "large.jpg", quality=97, exif=exif)
    with (tmp_path / "large.jpg").open("ab") as file:
        file.truncate(30 * 1024 * 1024)  # what follows the end marker does not belong to the image
    page = portal.open(f"projects/{project}/images")
    page.get_by_role("button", name="Add images").first.click()
    page.locator(FILES).set_input_files(tmp_path / "large.jpg")
    page.get_by_text("Scale 1 image of more than 6 MB down").wait_for()
    page.get_by_role("button", name="Upload 1 image").click()
    wait_for_text(page.get_by_test_id("upload-state"), "1 image uploaded")
    image = trainer.get_images(project)[0]
    assert image.height > image.width
    with page.expect_response(image.original_image_uri.split("?")[0] + "**") as response:
        page.evaluate("uri => void fetch(uri)", image.original_image_uri)
    shown = Image.open(BytesIO(response.value.body())).convert("RGB")
    red, green, blue = shown.getpixel((shown.width // 2, shown.height // 20))
    assert red > 150 > 100 > max(green, blue)


def test_object_detection_has_no_tags_of_folders(portal: Portal, fruit: Path) -> None:
    trainer = portal.trainer
    domain = next(each for each in trainer.get_domains() if each.type == "ObjectDetection")
    project = trainer.create_project("boxes", domain_id=domain.id).id
    page = portal.open(f"projects/{project}/images")
    page.get_by_role("button", name="Add images").first.click()
    page.locator(FOLDER).set_input_files(fruit)
    page.get_by_text("Folders are not turned into tags here").wait_for()
    page.get_by_role("button", name="Upload 8 images").click()
    wait_for_text(page.get_by_test_id("upload-state"), "6 images uploaded")
    assert trainer.get_tags(project) == []


def test_dropped_and_pasted_images_are_taken(portal: Portal) -> None:
    project = portal.trainer.create_project("drop").id
    page = portal.open(f"projects/{project}/images")
    page.get_by_text("No images yet").wait_for()
    transfer = """bytes => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([new Uint8Array(bytes)], "a.png", {type: "image/png"}));
      return transfer;
    }"""
    data = page.evaluate_handle(transfer, list(picture(1)))
    page.dispatch_event("main", "drop", {"dataTransfer": data})
    wait_for_text(page.get_by_test_id("upload-summary"), f"1 image, {len(picture(1))} bytes")
    page.keyboard.press("Escape")
    paste = """transfer => document.dispatchEvent(
      new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true}))"""
    page.evaluate(paste, page.evaluate_handle(transfer, list(picture(2))))
    page.get_by_role("button", name="Upload 1 image").click()
    wait_for_text(page.get_by_test_id("upload-state"), "1 image uploaded")


def test_an_upload_goes_on_while_pages_change_and_after_the_server_was_gone(
    open_portal: OpenPortal, tmp_path: Path
) -> None:
    server = LiveServer(tmp_path / "data", "--trainer", "instant")
    portal = open_portal(server)
    trainer = portal.trainer
    project, _ = project_with(trainer, ("cat",), per_tag=1)
    files = tmp_path / "files"
    files.mkdir()
    for number, content in enumerate(pictures(300, "blue")):
        (files / f"{number}.png").write_bytes(content)
    portal.expects("ERR_CONNECTION", "ERR_EMPTY_RESPONSE", "ERR_SOCKET", "Failed to load resource")
    page = portal.open(f"projects/{project}/images")
    page.get_by_role("button", name="Add images").first.click()
    page.locator(FOLDER).set_input_files(files)
    page.get_by_role("button", name="Upload 300 images").wait_for()
    server.kill()
    page.get_by_role("button", name="Upload 300 images").click()
    page.get_by_text("Waiting for the emulator").wait_for()
    again = LiveServer(tmp_path / "data", "--trainer", "instant", "--port", str(server.port))
    try:
        page.get_by_role("link", name="Settings").click()
        wait_for_text(page.get_by_test_id("upload-state"), "300 images uploaded")
        assert trainer.get_image_count(project) == 301
    finally:
        portal.context.close()
        again.terminate()
