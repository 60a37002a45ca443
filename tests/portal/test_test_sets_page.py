"""Test sets in the browser: a folder whose subfolders are tags, evaluations; and a comparison."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.harness import TRAINING_KEY
from tests.support.images import pictures
from tests.support.portal import Portal
from tests.support.portal_projects import PhotoProject, photo_project, train


@pytest.fixture
def project(portal: Portal) -> PhotoProject:
    return photo_project(portal.trainer, "With test sets")


def control(portal: Portal, path: str, **parameters: Any) -> Any:
    """The response of the control API."""
    with httpx.Client(headers={"Training-Key": TRAINING_KEY}, trust_env=False) as client:
        response = client.get(f"{portal.server.endpoint}/_emulator/{path}", params=parameters)
        assert response.is_success, response.text
        return response.json()


def test_a_dropped_folder_is_evaluated(portal: Portal, project: PhotoProject, tmp_path: Path) -> None:
    names = sorted(tag.name for tag in portal.trainer.get_tags(project.id))
    in_training = pictures(1, "blue", start=70)[0]
    portal.trainer.create_images_from_data(project.id, in_training)
    for number, name in enumerate([*names, "unknown tag"]):
        folder = tmp_path / "set" / name
        folder.mkdir(parents=True)
        for index, data in enumerate(pictures(3, "red", start=20 * number)):
            (folder / f"{index}.png").write_bytes(data)
    # Files are what their bytes say: an image without its ending is one, which is sent as it is.
    first = tmp_path / "set" / names[0]
    (first / "scan.dat").write_bytes(in_training)
    (first / "notes.txt").write_text("no image")
    (first / "phone.jpg").write_bytes(b"\0\0\0\x20ftypheic" + bytes(40))
    page = portal.open(f"projects/{project.id}/testsets")
    page.get_by_role("button", name="New test set").click()
    page.get_by_label("Name").fill("second camera")
    page.get_by_role("button", name="Create").click()
    page.get_by_role("heading", name="second camera").wait_for()
    page.locator("input[webkitdirectory]").set_input_files(tmp_path / "set")
    added = 3 * len(names) + 1
    page.get_by_text(f"{added} images added, 5 refused.").wait_for()
    page.get_by_text("1 image of these are images of the project, too").wait_for()
    refused = page.get_by_role("list", name="Refused images")
    assert "the project has no tag named 'unknown tag'" in refused.inner_text().lower()
    assert re.search(r"notes\.txt: This is not an image in a supported format", refused.inner_text())
    assert re.search(r"phone\.jpg: HEIC images are not supported", refused.inner_text())

    page.get_by_role("button", name="Evaluate all").click()
    wrong = page.get_by_role("link", name=re.compile("wrong with"))
    wrong.wait_for()
    (made,) = control(portal, f"projects/{project.id}/testSets")
    assert made["imageCount"] == added
    (evaluation,) = control(portal, f"projects/{project.id}/testSets/{made['id']}/evaluations")
    row = page.get_by_role("row").filter(has=wrong)
    for name in ("precision", "recall", "averagePrecision"):
        assert f"{evaluation[name] * 100:.1f}%" in row.inner_text()
    assert wrong.inner_text() == f"{evaluation['wrongImageCount']} of {added}"
    portal.check_accessibility()

    wrong.click()
    page.get_by_role("region", name="Confusion matrix").wait_for()
    result = control(
        portal, f"projects/{project.id}/testSets/{made['id']}/evaluations/{project.iteration_id}"
    )
    matrix = page.get_by_role("region", name="Confusion matrix")
    shown = [int(text) for text in matrix.get_by_role("button").all_inner_texts()]
    assert sorted(shown) == sorted(number for line in result["counts"] for number in line if number)
    portal.check_accessibility()


def test_two_iterations_are_compared(portal: Portal, project: PhotoProject) -> None:
    tag = portal.trainer.get_tags(project.id)[0]
    portal.trainer.create_images_from_data(project.id, pictures(1, "blue")[0], tag_ids=[tag.id])
    second = train(portal.trainer, project.id)
    second_id = second if isinstance(second, str) else second.id
    page = portal.open(f"projects/{project.id}/compare?a={project.iteration_id}&b={second_id}")
    page.get_by_role("table").wait_for()
    found = control(
        portal,
        f"projects/{project.id}/iterations/{second_id}/comparison",
        **{"with": project.iteration_id},
    )
    text = page.get_by_role("row").filter(has_text="All tags").inner_text()
    for name in ("precision", "recall", "averagePrecision"):
        assert f"{found['otherFigures'][name] * 100:.1f}% → {found['figures'][name] * 100:.1f}%" in text
    page.get_by_text(f"Compared on {found['imageCount']} images by cross-validation").wait_for()
    assert page.get_by_role("link", name="Results", exact=True).first.get_attribute("aria-current") == "page"
    page.get_by_text(f"Gained {found['gainedImageCount']}").wait_for()
    page.get_by_text(f"Lost {found['lostImageCount']}").wait_for()
    portal.check_accessibility()
    page.get_by_role("main").get_by_role("link", name="Results", exact=True).click()
    page.wait_for_url(f"**/projects/{project.id}/results/{second_id}")
    # Where nothing is predicted, there is no precision.
    portal.open(f"projects/{project.id}/compare?a={project.iteration_id}&b={second_id}&threshold=1")
    row = page.get_by_role("row").filter(has_text="All tags")
    row.get_by_text("no predictions → no predictions").wait_for()
    assert row.get_by_role("cell").nth(0).inner_text().strip() == "no predictions → no predictions"
