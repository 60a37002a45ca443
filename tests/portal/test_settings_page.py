"""Settings of a project: each change is what the SDK responds, and can be undone."""

from __future__ import annotations

import io
import tarfile

import httpx
import pytest

from tests.support.harness import PREDICTION_KEY, TRAINING_KEY
from tests.support.portal import Portal
from tests.support.portal_projects import GENERAL_COMPACT, PhotoProject, photo_project


@pytest.fixture
def project(portal: Portal) -> PhotoProject:
    return photo_project(portal.trainer, "With settings", tags={"chelsea": 2}, trained=False)


def test_changes_are_saved_and_undone(portal: Portal, project: PhotoProject) -> None:
    page = portal.open(f"projects/{project.id}/settings")
    save = page.get_by_role("button", name="Save changes")
    assert save.is_disabled()
    portal.check_accessibility()
    page.get_by_role("textbox", name="Name").fill("Renamed ✓")
    page.get_by_role("textbox", name="Description").fill("Two lines\nof text")
    page.get_by_role("radio", name="Multilabel").click()
    page.get_by_role("radio", name="Food (compact)").click()
    page.get_by_role("radio", name="Vision AI Developer Kit").click()
    page.get_by_text("The next training uses Food (compact).").wait_for()
    portal.check_accessibility()
    save.click()
    page.get_by_text("Saved", exact=True).wait_for()
    found = portal.trainer.get_project(project.id)
    assert (found.name, found.description) == ("Renamed ✓", "Two lines\nof text")
    assert portal.trainer.get_domain(found.settings.domain_id).name == "Food (compact)"
    assert found.settings.classification_type == "Multilabel"
    assert found.settings.target_export_platforms == ["VAIDK"]

    save.evaluate("button => button.blur()")
    page.keyboard.press("Control+z")
    page.get_by_text("Undone: Changed the settings").first.wait_for()
    back = portal.trainer.get_project(project.id)
    assert (back.name, back.description) == ("With settings", "")
    assert back.settings.domain_id == GENERAL_COMPACT
    assert back.settings.classification_type == "Multiclass"
    assert back.settings.target_export_platforms == []


def test_a_refused_change_is_said_at_the_field(portal: Portal, project: PhotoProject) -> None:
    portal.expects("status of 400")
    page = portal.open(f"projects/{project.id}/settings")
    page.get_by_role("textbox", name="Description").fill("kept")
    page.get_by_role("textbox", name="Name").fill("n" * 400)
    page.get_by_role("button", name="Save changes").click()
    page.get_by_text("The name of the project has 400 characters; at most 256 are allowed.").wait_for()
    assert page.get_by_role("textbox", name="Description").input_value() == "kept"
    found = portal.trainer.get_project(project.id)
    assert (found.name, found.description) == ("With settings", "")


def test_what_is_typed_stays_when_another_tab_changes_the_project(
    portal: Portal, project: PhotoProject
) -> None:
    page = portal.open(f"projects/{project.id}/settings")
    page.get_by_role("textbox", name="Description").fill("typed here")
    other = portal.new_tab(f"projects/{project.id}/settings")
    other.get_by_role("textbox", name="Name").fill("From the other tab")
    other.get_by_role("button", name="Save changes").click()
    other.get_by_text("Saved", exact=True).wait_for()
    page.get_by_role("link", name="All projects").hover()
    page.get_by_role("button", name="Save changes").click()
    page.get_by_text("Saved", exact=True).wait_for()
    assert portal.trainer.get_project(project.id).description == "typed here"


def test_access_shows_what_programs_need(portal: Portal, project: PhotoProject) -> None:
    page = portal.open(f"projects/{project.id}/settings")
    access = page.get_by_role("region", name="Access from programs")
    assert project.id in access.inner_text()
    assert portal.server.endpoint in access.inner_text()
    assert TRAINING_KEY not in page.content()
    page.get_by_role("button", name="Show the keys").click()
    access.get_by_text(TRAINING_KEY).wait_for()
    assert PREDICTION_KEY in access.inner_text()
    portal.check_accessibility()
    page.get_by_role("button", name="Hide the keys").click()
    access.get_by_text(TRAINING_KEY).wait_for(state="detached")
    assert TRAINING_KEY not in page.content()


def test_the_trainer_of_the_project_is_chosen(portal: Portal, project: PhotoProject) -> None:
    page = portal.open(f"projects/{project.id}/settings")
    choice = page.get_by_role("combobox", name="Trainer of this project")
    address = f"{portal.server.endpoint}/_emulator/projects/{project.id}/trainer"
    assert choice.input_value() == ""
    for value, expected in (("real", ("real", False)), ("", ("instant", True))):
        with page.expect_response(lambda one: one.url.endswith("/trainer") and one.request.method == "GET"):
            choice.select_option(value)
        answer = httpx.get(address, headers={"Training-Key": TRAINING_KEY}, trust_env=False).json()
        assert (answer["trainer"], answer["isDefault"]) == expected


def test_the_archive_is_downloaded(portal: Portal, project: PhotoProject) -> None:
    page = portal.open(f"projects/{project.id}/settings")
    page.get_by_role("button", name="Export this project").click()
    page.get_by_text("2 images, 0 regions and 0 iterations.").wait_for()
    with page.expect_download() as started:
        page.get_by_role("link", name="Download the archive").click()
    content = started.value.path().read_bytes()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        assert archive.getnames()[0] == "manifest.json"
    token = page.get_by_role("region", name="Copy").locator("pre").inner_text()
    copy = portal.trainer.import_project(token, name="Copy by the token")
    assert copy.name == "Copy by the token"


def test_a_project_is_deleted_and_the_gallery_follows(portal: Portal, project: PhotoProject) -> None:
    page = portal.open(f"projects/{project.id}/settings")
    page.get_by_role("button", name="Delete this project").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete project").click()
    page.wait_for_url("**/portal/projects")
    assert project.id not in [one.id for one in portal.trainer.get_projects()]


def test_a_project_deleted_elsewhere_is_said(portal: Portal, project: PhotoProject) -> None:
    portal.expects("status of 404", "status of 400")
    page = portal.open(f"projects/{project.id}/settings")
    portal.trainer.delete_project(project.id)
    page.get_by_role("textbox", name="Name").fill("Too late")
    page.get_by_role("button", name="Save changes").click()
    page.get_by_text("This project does not exist").or_(page.get_by_role("alert")).first.wait_for()
