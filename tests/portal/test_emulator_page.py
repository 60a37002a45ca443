"""The page of the emulator itself."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.portal.conftest import OpenPortal
from tests.support.harness import TRAINING_KEY
from tests.support.live_server import LiveServer
from tests.support.portal import Portal

_HEADERS = {"Training-Key": TRAINING_KEY}


@pytest.fixture
def own(open_portal: OpenPortal, tmp_path: Path) -> Any:
    """A user of a server of this test's own, with the limits of a tier: the page changes all of it."""
    server = LiveServer(tmp_path / "data", "--trainer", "instant", "--tier", "s0")
    user = open_portal(server)
    yield user
    user.page.goto("about:blank")  # or its last requests would find no server
    server.terminate()


def _control(portal: Portal, method: str, path: str, **more: Any) -> httpx.Response:
    url = f"{portal.server.endpoint}/_emulator/{path}"
    return httpx.request(method, url, headers=_HEADERS, trust_env=False, **more)


def _fact(portal: Portal, name: str) -> str:
    return portal.page.locator("dt", has_text=name).locator("xpath=following-sibling::dd[1]").inner_text()


def test_the_overview_shows_what_the_control_api_says(portal: Portal) -> None:
    page = portal.open("emulator")
    info = _control(portal, "GET", "info").json()
    expect(page.get_by_text("Ready")).to_be_visible()
    assert _fact(portal, "Version") == info["version"]
    assert info["endpoint"] in _fact(portal, "Endpoint")
    assert info["predictionResourceId"] in _fact(portal, "Prediction resource id")
    assert info["dataFolder"] in _fact(portal, "Data folder")
    expect(page.get_by_role("heading", name=f"Tier: {info['tier']['name']}")).to_be_visible()
    portal.check_accessibility()


def test_keys_are_hidden_until_they_are_shown(portal: Portal) -> None:
    page = portal.open("emulator")
    keys = _control(portal, "GET", "keys").json()
    assert keys["trainingKeys"][0] not in page.content()
    page.get_by_role("button", name="Show the keys").click()
    for key in (*keys["trainingKeys"], *keys["predictionKeys"]):
        expect(page.get_by_text(key)).to_be_visible()
    portal.check_accessibility()
    page.get_by_role("button", name="Hide the keys").click()
    expect(page.get_by_text(keys["trainingKeys"][0])).to_have_count(0)


def test_requests_are_shown_in_clear_with_near_misses_and_programs(portal: Portal) -> None:
    client = f"test of {id(portal)}"
    headers = {**_HEADERS, "X-Emulator-Client": client}
    base = f"{portal.server.endpoint}/customvision/v3.3/training"
    httpx.get(f"{base}/projects", headers=headers, trust_env=False)
    httpx.get(f"{base}/projectsx", headers=headers, trust_env=False)
    page = portal.page
    page.goto("/portal/emulator?tab=requests")
    page.get_by_role("combobox", name="Client").click()
    page.get_by_role("option", name=client).click()
    rows = page.get_by_role("table", name="Last requests").locator("tbody tr")
    expect(rows).to_have_count(2)
    log = _control(portal, "GET", "requests", params={"client": client}).json()
    assert [rows.nth(row).locator("td").nth(3).inner_text() for row in range(2)] == [
        str(each["status"]) for each in log["requests"]
    ]
    used = page.get_by_role("table", name="Operations").locator("tbody tr")
    expect(used).to_have_count(1)
    assert used.locator("td").first.inner_text() == "GetProjects"
    portal.check_accessibility()
    page.get_by_role("button", name="No operation").or_(
        page.get_by_role("button", name="unknown")
    ).first.click()
    dialog = page.get_by_role("dialog", name="No operation of the service")
    expect(dialog.get_by_text("The nearest operations")).to_be_visible()
    expect(dialog.get_by_text("curl --request GET")).to_be_visible()
    dialog.get_by_role("tab", name="Python").click()
    expect(dialog.get_by_text("urllib.request")).to_be_visible()
    portal.check_accessibility()


def test_snapshots_are_saved_downloaded_restored_and_deleted(own: Portal) -> None:
    own.trainer.create_project("before")
    page = own.open("emulator?tab=snapshots")
    expect(page.get_by_text("No snapshots yet")).to_be_visible()
    page.get_by_label("New snapshot").fill("base")
    page.get_by_role("button", name="Save").click()
    row = page.get_by_role("row", name="base")
    expect(row).to_be_visible()
    own.check_accessibility()
    with page.expect_download() as download:
        row.get_by_role("link", name="Download base").click()
    archive = Path(download.value.path()).read_bytes()
    assert zipfile.ZipFile(io.BytesIO(archive)).testzip() is None
    own.trainer.create_project("after")
    row.get_by_role("button", name="Restore base").click()
    page.get_by_role("dialog").get_by_role("button", name="Replace everything").click()
    expect(page.get_by_text("The snapshot base is restored.").last).to_be_visible()
    assert [project.name for project in own.trainer.get_projects()] == ["before"]
    row.get_by_role("button", name="Delete base").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete the snapshot").click()
    expect(page.get_by_text("No snapshots yet")).to_be_visible()
    page.locator("input[type=file]").set_input_files(
        {"name": "again.zip", "mimeType": "application/zip", "buffer": archive}
    )
    expect(page.get_by_role("row", name="again")).to_be_visible()
    assert [each["name"] for each in _control(own, "GET", "snapshots").json()] == ["again"]


def test_a_file_that_is_no_snapshot_is_refused_in_words(own: Portal) -> None:
    page = own.open("emulator?tab=snapshots")
    own.expects("400")
    page.locator("input[type=file]").set_input_files(
        {"name": "broken.zip", "mimeType": "application/zip", "buffer": b"no archive"}
    )
    expect(page.get_by_text("The archive cannot be used").last).to_be_visible()
    assert _control(own, "GET", "snapshots").json() == []


def test_the_clock_is_frozen_and_advanced(own: Portal) -> None:
    page = own.open("emulator?tab=tests")
    page.get_by_role("button", name="Freeze").click()
    expect(page.get_by_role("button", name="Continue")).to_be_visible()
    before = _control(own, "GET", "clock").json()
    assert before["frozen"] is True
    page.get_by_label("Advance by").fill("2")
    page.get_by_role("button", name="Advance", exact=True).click()
    expect(page.get_by_text("The clock is advanced.").last).to_be_visible()
    after = _control(own, "GET", "clock").json()
    assert after["now"] > before["now"]
    shown = after["now"].replace("T", " ")[:19]
    expect(page.get_by_text(f"{shown} UTC")).to_be_visible()
    own.check_accessibility()
    page.get_by_role("button", name="Real time").click()
    expect(page.get_by_role("button", name="Freeze")).to_be_visible()


def test_faults_are_listed_and_deleted(own: Portal) -> None:
    scenario = {"operation": "GetTags", "steps": [{"kind": "status", "status": 503, "times": 2}]}
    assert _control(own, "POST", "faults", json=scenario).is_success
    page = own.open("emulator?tab=tests")
    expect(page.get_by_role("row", name="GetTags")).to_contain_text("status 503")
    own.check_accessibility()
    page.get_by_role("button", name="Delete all faults").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete all faults").click()
    expect(page.get_by_text("No call fails on purpose.")).to_be_visible()
    assert _control(own, "GET", "faults").json()["scenarios"] == []


def test_a_reset_needs_a_typed_word(own: Portal) -> None:
    own.trainer.create_project("gone")
    page = own.open("emulator")
    info = _control(own, "GET", "info").json()
    row = page.get_by_role("row", name="Projects", exact=False).first
    assert [row.locator("td").nth(cell).inner_text() for cell in range(2)] == [
        str(info["tier"]["use"]["projects"]),
        str(info["tier"]["limits"]["projects"]),
    ]
    page.get_by_role("button", name="Delete everything").click()
    question = page.get_by_role("dialog", name="Delete everything?")
    button = question.get_by_role("button", name="Delete everything")
    expect(button).to_be_disabled()
    own.check_accessibility()
    question.get_by_label("Type").fill("reset")
    button.click()
    page.wait_for_url("**/portal/projects")
    assert own.trainer.get_projects() == []
