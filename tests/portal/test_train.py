"""The page of training, and the jobs in the header."""

from __future__ import annotations

import re
from collections.abc import Sequence

import httpx
from playwright.sync_api import Page, expect

from emulator.testing import images
from tests.support.harness import TRAINING_KEY
from tests.support.portal import Portal

_HEADERS = {"Training-Key": TRAINING_KEY}


def _project(portal: Portal, counts: dict[str, int], *, domain_type: str = "Classification") -> str:
    """A project with this number of sample images for each tag; its id."""
    trainer = portal.trainer
    domain = next(each for each in trainer.get_domains() if each.type == domain_type and not each.exportable)
    project = trainer.create_project("Training", domain_id=domain.id, classification_type="Multiclass")
    for name, count in counts.items():
        tag = trainer.create_tag(project.id, name)
        for data in images.samples(name, count):
            trainer.create_images_from_data(project.id, data, tag_ids=[tag.id])
    return str(project.id)


def _control(portal: Portal, method: str, path: str, **more: object) -> httpx.Response:
    return httpx.request(
        method,
        f"{portal.server.endpoint}/_emulator/{path}",
        headers=_HEADERS,
        trust_env=False,
        **more,  # type: ignore[arg-type]
    )


def _hold(portal: Portal, project: str, **plan: object) -> None:
    """Trainings of the project end by this plan."""
    _control(portal, "PUT", f"projects/{project}/choreography", json={"training": plan}).raise_for_status()


def _cells(page: Page, table: str) -> list[Sequence[str]]:
    rows = page.get_by_role("table", name=table).locator("tbody tr")
    return [rows.nth(row).locator("td").all_inner_texts() for row in range(rows.count())]


def test_what_a_tag_lacks_is_said_before_a_training(portal: Portal) -> None:
    project = _project(portal, {"apple": 2, "banana": 4, "orange": 5})
    page = portal.open(f"projects/{project}/train")
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_disabled()
    cells = _cells(page, "Images per tag")
    assert "needs 3 more images: it has 2 of 5." in cells[0][0]
    assert "needs 1 more image: it has 4 of 5." in cells[1][0]
    counts = {tag.name: tag.image_count for tag in portal.trainer.get_tags(project)}
    assert {row[0].split("\n")[0]: int(row[1]) for row in cells} == counts
    portal.check_accessibility()


def test_a_project_without_tags_says_what_a_classifier_needs(portal: Portal) -> None:
    page = portal.open(f"projects/{_project(portal, {})}/train")
    expect(page.get_by_text("A classifier needs at least 2 tags, and there is none yet.")).to_be_visible()
    portal.check_accessibility()


def test_training_ends_with_a_message_and_a_link_to_the_results(portal: Portal) -> None:
    project = _project(portal, {"apple": 5, "banana": 12})
    _hold(portal, project, polls=3)
    page = portal.open(f"projects/{project}/train")
    expect(page.get_by_text("The tags are unbalanced")).to_be_visible()
    page.get_by_role("button", name="Train", exact=True).click()
    page.get_by_role("button", name="See the results").click()
    (iteration,) = portal.trainer.get_iterations(project)
    assert (iteration.status, iteration.training_type) == ("Completed", "Regular")
    expect(page).to_have_url(re.compile(f"/projects/{project}/results/{iteration.id}$"))
    portal.open(f"projects/{project}/train")
    kind = page.get_by_role("table", name="Training history").locator("tbody tr").first.locator("td").nth(2)
    expect(kind).to_have_text("Instant, for tests only")  # the server of these tests has the instant trainer
    assert _cells(page, "Training history")[0][:2] == [iteration.name, "Trained"]
    portal.check_accessibility()


def test_nothing_changed_is_said_in_words_and_can_be_trained_anyway(portal: Portal) -> None:
    project = _project(portal, {"apple": 5, "banana": 5})
    portal.trainer.train_project(project)
    page = portal.open(f"projects/{project}/train")
    portal.expects("400")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(
        page.get_by_role("alert").filter(has_text="Nothing has changed since the last training")
    ).to_be_visible()
    page.get_by_role("button", name="Train anyway").click()
    expect(page.get_by_role("table", name="Training history").locator("tbody tr")).to_have_count(2)
    assert len(portal.trainer.get_iterations(project)) == 2


def test_an_advanced_training_has_the_budget_and_the_base_that_were_chosen(portal: Portal) -> None:
    project = _project(portal, {"apple": 5, "banana": 5})
    base = portal.trainer.train_project(project)
    page = portal.open(f"projects/{project}/train")
    page.get_by_role("radio", name="Advanced").click()
    page.get_by_label("Budget in hours").fill("2")
    expect(page.get_by_text("The training takes at most 2 h 0 min")).to_be_visible()
    page.get_by_label("More options").check()
    page.get_by_role("combobox", name="Start from").click()
    page.get_by_role("option", name=base.name).click()
    portal.check_accessibility()
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_role("table", name="Training history").locator("tbody tr")).to_have_count(2)
    newest = max(portal.trainer.get_iterations(project), key=lambda each: each.created)
    assert (newest.training_type, newest.reserved_budget_in_hours) == ("Advanced", 2)
    assert newest.custom_base_model_info.iteration_id == base.id
    assert _cells(page, "Training history")[0][6] == base.name


def test_a_training_is_stopped_after_a_question(portal: Portal) -> None:
    project = _project(portal, {"apple": 5, "banana": 5})
    _hold(portal, project, seconds=3600)
    page = portal.page
    page.goto(f"/portal/projects/{project}/train")
    page.get_by_role("button", name="Train", exact=True).click()
    page.get_by_role("button", name="1 job in progress").click()
    jobs = page.get_by_role("dialog").filter(has_text="In progress")
    expect(jobs.get_by_role("link", name="Training of Iteration 1").first).to_be_visible()
    expect(
        jobs.get_by_text("Training, held by a choreography until 3600 seconds after its request")
    ).to_be_visible()
    page.keyboard.press("Escape")
    portal.check_accessibility()
    (job,) = _control(portal, "GET", "jobs", params={"projectId": project}).json()["jobs"]
    page.get_by_role("button", name="Stop the training").click()
    question = page.get_by_role("dialog", name="Stop the training?")
    question.get_by_role("button", name="Cancel").click()
    assert portal.trainer.get_iteration(project, job["iterationId"]).status == "Training"
    page.get_by_role("button", name="Stop the training").click()
    question.get_by_role("button", name="Stop the training").click()
    expect(page.get_by_text("The training of Iteration 1 was stopped").first).to_be_visible()
    iteration = portal.trainer.get_iteration(project, job["iterationId"])
    assert iteration.status == "Failed"
    expect(page.get_by_role("cell", name="Stopped", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_enabled()


def test_the_reason_of_a_failure_is_shown(portal: Portal) -> None:
    project = _project(portal, {"apple": 5, "banana": 5})
    failure = {"code": "BadRequest", "message": "The images are all alike."}
    _hold(portal, project, polls=1, failure=failure)
    iteration = portal.trainer.train_project(project)
    reason = portal.trainer.get_iteration(project, iteration.id)
    assert reason.status == "Failed"
    page = portal.open(f"projects/{project}/train")
    alert = page.get_by_role("alert").filter(has_text="failed")
    expect(alert).to_contain_text("The images are all alike.")
    portal.check_accessibility()


def test_a_tag_of_a_detector_counts_images_with_its_boxes(portal: Portal) -> None:
    """Images with the tag and without a box are not trained on."""
    page = portal.open(f"projects/{_project(portal, {'apple': 16}, domain_type='ObjectDetection')}/train")
    expect(page.get_by_text("needs 15 more images with boxes: it has 0 of 15.")).to_be_visible()
    assert _cells(page, "Images per tag")[0][1] == "0"
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_disabled()
