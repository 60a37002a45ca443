"""Roll-outs in the browser: another iteration is tried under a published name, published, and taken back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.support.harness import TRAINING_KEY
from tests.support.portal import Portal
from tests.support.portal_projects import RESOURCE, PhotoProject, photo_project, photograph, train

if TYPE_CHECKING:
    from playwright.sync_api import Locator


@pytest.fixture
def project(portal: Portal) -> PhotoProject:
    made = photo_project(portal.trainer, "Rolled out")
    portal.trainer.publish_iteration(made.id, made.iteration_id, "live", RESOURCE)
    return made


def state(portal: Portal, project: PhotoProject) -> Any:
    response = httpx.get(
        f"{portal.server.endpoint}/_emulator/projects/{project.id}/rollouts",
        headers={"Training-Key": TRAINING_KEY},
        trust_env=False,
    )
    (name,) = response.raise_for_status().json()
    return name


def predict(portal: Portal, project: PhotoProject, count: int) -> set[str]:
    """The iterations that answered."""
    found = (
        portal.predictor.classify_image(project.id, "live", photograph("coffee", 20 + number))
        for number in range(count)
    )
    return {str(one.iteration) for one in found}


def panel(portal: Portal) -> Locator:
    return portal.page.get_by_role("region", name="Roll-out of live")


def agree(portal: Portal, title: str, action: str) -> None:
    question = portal.page.get_by_role("dialog", name=title)
    question.wait_for()
    portal.check_accessibility()
    question.get_by_role("button", name=action).click()


def test_an_iteration_is_tried_in_shadow_mode_published_and_taken_back(
    portal: Portal, project: PhotoProject
) -> None:
    second = train(portal.trainer, project.id)
    page = portal.open(f"projects/{project.id}/results")
    page.get_by_role("button", name="Roll out").click()
    dialog = page.get_by_role("dialog", name="Roll the iteration out")
    dialog.get_by_role("combobox", name="Published name").wait_for()
    dialog.get_by_role("button", name="Start").click()
    shown = panel(portal)
    shown.get_by_text("No image was scored by both yet").wait_for()
    assert page.get_by_role("button", name="Roll out").count() == 0
    assert predict(portal, project, 4) == {project.iteration_id}
    shown.get_by_text(re.compile(r"Same result: .* of 4 images\.")).wait_for()
    now = state(portal, project)["rollout"]
    assert (now["mode"], now["candidate"]["iterationId"]) == ("Shadow", second)
    rows = shown.get_by_role("table").locator("tbody tr")
    cells = {row.get_by_role("rowheader").inner_text(): row.get_by_role("cell") for row in rows.all()}
    sides = (now["current"], now["candidate"])
    assert cells["Scored images"].all_inner_texts() == ["4", "4"]
    assert cells["Errors"].all_inner_texts() == ["0", "0"]
    confidences = [f"{100 * side['meanConfidence']:.1f}%" for side in sides]
    assert cells["Mean confidence"].all_inner_texts() == confidences
    portal.check_accessibility()

    shown.get_by_role("button", name="Finish").click()
    agree(portal, "Finish the roll-out?", "Finish")
    shown.get_by_text("finished").wait_for()
    assert state(portal, project)["iteration"]["id"] == second
    assert predict(portal, project, 1) == {second}
    portal.check_accessibility()
    shown.get_by_role("button", name="Go back to Iteration 1").click()
    agree(portal, "Go back to the former iteration?", "Go back")
    page.get_by_role("button", name="Publish", exact=True).wait_for()
    assert state(portal, project)["iteration"]["id"] == project.iteration_id


def test_a_percentage_is_started_changed_and_undone_by_keys(portal: Portal, project: PhotoProject) -> None:
    second = train(portal.trainer, project.id)
    page = portal.open(f"projects/{project.id}/results")
    page.get_by_role("button", name="Roll out").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Roll the iteration out")
    dialog.locator("select:focus").wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    percent = dialog.get_by_role("textbox", name="Percentage of the requests")
    percent.wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("Control+a")
    page.keyboard.type("101")
    dialog.get_by_text("A number of 0 to 100.").wait_for()
    assert dialog.get_by_role("button", name="Start").is_disabled()
    portal.check_accessibility()
    page.keyboard.press("Control+a")
    page.keyboard.type("100")
    page.keyboard.press("Enter")
    shown = panel(portal)
    shown.get_by_text("100% of the requests").wait_for()
    assert predict(portal, project, 2) == {second}

    field = shown.get_by_role("textbox", name="Percentage of the requests")
    field.focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("0")
    page.keyboard.press("Enter")
    shown.get_by_text("; 0% of the requests").wait_for()
    assert predict(portal, project, 2) == {project.iteration_id}
    page.get_by_role("button", name="Undo").click()
    shown.get_by_text("100% of the requests").wait_for()
    assert state(portal, project)["rollout"]["percent"] == 100
    # The page of the published iteration has the roll-out, too.
    page.get_by_role("link", name=re.compile("^Iteration 1")).click()
    page.get_by_role("heading", name="Iteration 1", exact=True).wait_for()
    shown.get_by_role("button", name="Go back").click()
    agree(portal, "Take the roll-out back?", "Go back")
    shown.get_by_text("taken back").wait_for()
    assert predict(portal, project, 1) == {project.iteration_id}
