"""Signing in and out in a browser, and what pages of other origins can do."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.portal.conftest import OpenPortal
from tests.support.harness import NEWEST, TRAINING_KEY, files_body, wait_until
from tests.support.images import pictures
from tests.support.portal import Portal

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

    from tests.conftest import Serve

OWN_KEYS = ("--training-key", "mine,mine-too", "--prediction-key", "other,other-too")
PROJECTS = f"/customvision/{NEWEST}/training/projects"
DENIED = r"console error: .*status of 401"


def status_of(page: Page, path: str, method: str = "GET", **options: Any) -> Any:
    """The status of a request that the page sends; the name of the error where there is none."""
    script = """async ([path, options]) => {
      try { return (await fetch(path, options)).status } catch (error) { return error.name }
    }"""
    return page.evaluate(script, [path, {"method": method, **options}])


def sign_in(portal: Portal, key: str) -> None:
    portal.page.get_by_label(re.compile("^Training key")).fill(key)
    portal.page.get_by_role("button", name="Sign in").click()


def test_well_known_keys_need_no_sign_in(portal: Portal) -> None:
    page = portal.open()
    page.wait_for_url("**/portal/projects")
    assert status_of(page, PROJECTS) == 200
    assert status_of(page, "/_emulator/imports") == 200
    (cookie,) = portal.context.cookies()
    assert cookie["name"] == f"custom_vision_session_{portal.server.port}"
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")
    assert page.evaluate("document.cookie") == ""


def test_a_key_with_a_role_shows_its_resource_and_refuses_with_a_message(
    open_portal: OpenPortal, serve: Serve
) -> None:
    server = serve(*OWN_KEYS)
    address, own = f"{server.endpoint}/_emulator/resources", {"Training-Key": "mine"}
    post = partial(httpx.post, headers=own, trust_env=False)
    assert post(address, json={"name": "line"}).status_code == 200
    key = post(f"{address}/line/keys", json={"name": "anna", "role": "Labeler"}).json()["key"]
    portal = open_portal(server)
    portal.expects(DENIED)
    portal.expects(r"console error: .*status of 403")
    page = portal.open()
    sign_in(portal, key)
    page.get_by_text("line, Labeler", exact=True).wait_for()
    page.goto(f"{server.endpoint}/portal/projects?dialog=new")
    dialog = page.get_by_role("dialog", name="New project")
    dialog.get_by_role("textbox", name="Name").fill("parts")
    dialog.get_by_role("button", name="Create project").click()
    page.get_by_text("has the role Labeler, which does not permit projects/action").wait_for()
    page.goto(f"{server.endpoint}/portal/emulator")
    page.get_by_text("The keys are known to the administrator").wait_for()
    assert page.get_by_role("tab").count() == 1


# Buttons that a role may use, by the page below the project; "" is the page of all projects.
BUTTONS = {
    ("", "New project"): (),
    ("", "Import"): (),
    ("images", "Add images"): ("Trainer", "Labeler"),
    ("train", "Train"): ("Trainer",),
    ("results", "Publish"): ("Trainer", "Deployment"),
    ("settings", "Save changes"): ("Trainer",),
    ("settings", "Export this project"): (),
    ("settings", "Delete this project"): (),
}


def trained_project(endpoint: str) -> str:
    """The id of a project with a trained iteration."""
    with httpx.Client(base_url=endpoint, headers={"Training-Key": "mine"}, trust_env=False) as client:
        options = {"name": "parts", "classificationType": "Multiclass"}
        project: str = client.post(PROJECTS, params=options).json()["id"]
        path = f"{PROJECTS}/{project}"
        for color in ("red", "blue"):
            tag = client.post(f"{path}/tags", params={"name": color}).json()["id"]
            body = files_body(pictures(5, color), [tag])
            assert client.post(f"{path}/images/files", json=body).status_code == 200
        assert client.post(f"{path}/train").status_code == 200
        wait_until(lambda: client.get(f"{path}/iterations").json()[0]["status"] == "Completed", "the model")
    return project


def test_buttons_that_a_role_may_not_use_have_no_action_but_the_reason(
    open_portal: OpenPortal, serve: Serve
) -> None:
    server = serve(*OWN_KEYS, "--trainer", "instant")
    project = trained_project(server.endpoint)
    for role in ("Reader", "Labeler", "Deployment", "Trainer"):
        key = httpx.post(
            f"{server.endpoint}/_emulator/resources/default/keys",
            json={"name": role, "role": role},
            headers={"Training-Key": "mine"},
            trust_env=False,
        ).json()["key"]
        portal = open_portal(server)
        portal.expects(DENIED)
        page = portal.open()
        sign_in(portal, key)
        page.get_by_text(f"default, {role}", exact=True).wait_for()
        for (below, name), permitted in BUTTONS.items():
            page.goto(f"{server.endpoint}/portal/projects" + (below and f"/{project}/{below}"))
            button = page.get_by_role("button", name=name, exact=True).first
            button.wait_for()
            is_permitted = role in permitted
            is_refused = button.get_attribute("aria-disabled") == "true"
            assert (role, name, is_refused) == (role, name, not is_permitted)
            reason = None if is_permitted else f"The role {role} does not permit this."
            assert button.get_attribute("aria-description") == reason
            if below == "images":
                may_tag = role in ("Trainer", "Labeler")
                assert page.get_by_role("button", name="New tag").count() == int(may_tag)
        if role == "Reader":
            page.goto(f"{server.endpoint}/portal/projects")
            button = page.get_by_role("button", name="New project", exact=True)
            button.focus()
            assert button.evaluate("button => button === document.activeElement")
            page.get_by_role("tooltip", name="The role Reader does not permit this.").wait_for()
            button.press("Enter")
            button.click(force=True)
            assert page.get_by_role("dialog").count() == 0
            portal.settle()
            portal.check_accessibility()


def test_nothing_of_a_key_is_kept_in_the_browser(open_portal: OpenPortal, serve: Serve) -> None:
    portal = open_portal(serve(*OWN_KEYS))
    portal.expects(DENIED)
    portal.open()
    sign_in(portal, "mine-too")
    portal.page.get_by_role("dialog").wait_for(state="detached")
    stored = portal.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, location.href])")
    assert "mine" not in stored + str(portal.context.cookies())
    assert status_of(portal.page, PROJECTS) == 200


def test_a_wrong_key_is_said_and_the_right_one_is_asked_again(open_portal: OpenPortal, serve: Serve) -> None:
    portal = open_portal(serve(*OWN_KEYS))
    portal.expects(DENIED)
    portal.open("projects")
    sign_in(portal, TRAINING_KEY)
    portal.page.get_by_role("alert").filter(has_text="not a training key").wait_for()
    assert status_of(portal.page, PROJECTS) == 401
    sign_in(portal, "mine")
    portal.page.get_by_role("dialog").wait_for(state="detached")
    assert status_of(portal.page, PROJECTS) == 200


def test_sign_out_ends_the_session_of_all_tabs(open_portal: OpenPortal, serve: Serve) -> None:
    portal = open_portal(serve(*OWN_KEYS))
    portal.expects(DENIED)
    portal.open()
    sign_in(portal, "mine")
    portal.page.get_by_role("dialog").wait_for(state="detached")
    other = portal.new_tab()
    assert status_of(other, PROJECTS) == 200
    assert status_of(portal.page, "/portal/session", "DELETE") == 204
    assert [status_of(page, PROJECTS) for page in (portal.page, other)] == [401, 401]


def test_the_user_signs_out_by_a_button(open_portal: OpenPortal, serve: Serve) -> None:
    portal = open_portal(serve(*OWN_KEYS))
    portal.expects(DENIED)
    portal.open()
    sign_in(portal, "mine")
    portal.page.get_by_role("button", name="Sign out").click()
    portal.page.get_by_role("dialog", name="Sign in").wait_for()
    assert status_of(portal.page, PROJECTS) == 401
    assert portal.context.cookies() == []


def test_what_was_typed_stays_when_a_session_ends_amid_work(open_portal: OpenPortal, serve: Serve) -> None:
    server = serve(*OWN_KEYS)
    portal = open_portal(server)
    portal.expects(DENIED)
    page = portal.open()
    sign_in(portal, "mine")
    page.get_by_role("button", name="New project").first.click()
    dialog = page.get_by_role("dialog", name="New project")
    dialog.get_by_label(re.compile("^Name")).fill("Typed before")
    portal.context.clear_cookies()
    create = dialog.get_by_role("button", name="Create project")
    create.click()
    page.get_by_role("dialog", name="Sign in").wait_for()
    sign_in(portal, "mine-too")
    page.get_by_role("dialog", name="Sign in").wait_for(state="detached")
    assert dialog.get_by_label(re.compile("^Name")).input_value() == "Typed before"
    create.click()
    page.wait_for_url(re.compile("/portal/projects/[0-9a-f-]{36}"))
    created = httpx.get(server.endpoint + PROJECTS, headers={"Training-Key": "mine"}, trust_env=False).json()
    assert [project["name"] for project in created] == ["Typed before"]


def test_a_page_goes_on_after_a_restart(open_portal: OpenPortal, serve: Serve, tmp_path: Path) -> None:
    """On the same port, with the well-known keys and with keys of its own."""
    for number, keys in enumerate(((), OWN_KEYS)):
        data = tmp_path / str(number)
        first = serve(*keys, data=data)
        portal = open_portal(first)
        portal.expects(DENIED, "ERR_CONNECTION_REFUSED", "dynamically imported module", "PartNotLoaded")
        page = portal.open()
        if keys:
            sign_in(portal, "mine")
            page.get_by_role("dialog").wait_for(state="detached")
        first.terminate()
        if not keys:
            # The file of a page that was not open before.
            page.get_by_role("link", name="Emulator").click()
            page.get_by_role("alert").filter(has_text="part of the portal could not be loaded").wait_for()
        serve(*keys, "--port", str(first.port), data=data)
        assert status_of(page, PROJECTS) == 200
        if not keys:
            page.get_by_role("button", name="Try again").click()
            page.get_by_role("tab", name="Overview").wait_for()


def test_a_ticket_signs_in_once(open_portal: OpenPortal, serve: Serve, tmp_path: Any) -> None:
    program = tmp_path / "browser"
    opened = tmp_path / "opened"
    program.write_text(f'#!/bin/sh\nprintf %s "$1" >"{opened}.new" && mv "{opened}.new" "{opened}"\n')
    program.chmod(0o755)
    server = serve(*OWN_KEYS, "--open", environment={"BROWSER": str(program)})
    url = wait_until(lambda: opened.exists() and opened.read_text(), "the address for the browser")
    assert re.fullmatch(rf"{server.endpoint}/portal/open\?ticket=[\w-]+", url)
    first, second = open_portal(server), open_portal(server)
    second.expects(DENIED)
    for portal in (first, second):
        portal.page.goto(url)
        portal.page.wait_for_url("**/portal/projects")
    assert status_of(first.page, PROJECTS) == 200
    assert status_of(second.page, PROJECTS) == 401
    second.page.get_by_role("dialog", name="Sign in").get_by_text("This link signs in once").wait_for()
    assert "ticket" not in first.page.url + server.log()


# --- other origins ------------------------------------------------------------------------------------------


class Stranger(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"<!doctype html><title>stranger</title>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def page_of_a_stranger() -> Iterator[str]:
    """The origin of a page on another port of the same host."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stranger)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_page_on_another_port_has_no_use_of_the_session(portal: Portal) -> None:
    portal.expects("request to another origin", "console error")
    portal.open()
    assert status_of(portal.page, PROJECTS) == 200
    before = [project.name for project in portal.trainer.get_projects()]
    endpoint = portal.server.endpoint
    with page_of_a_stranger() as origin:
        page = portal.context.new_page()
        page.goto(origin)
        new = f"{endpoint}{PROJECTS}?name=stranger"
        # Without `credentials`, the browser sends no cookie; with it, the response is not readable either.
        assert status_of(page, f"{endpoint}{PROJECTS}") == 401
        assert status_of(page, f"{endpoint}{PROJECTS}", credentials="include") == "TypeError"
        for mode in ("cors", "no-cors"):
            status_of(page, new, "POST", credentials="include", mode=mode)
            status_of(page, f"{endpoint}/portal/session", "DELETE", credentials="include", mode=mode)
        page.evaluate(
            "async url => { const form = document.body.appendChild(document.createElement('form'));"
            " form.method = 'POST'; form.action = url; form.submit(); }",
            new,
        )
        page.wait_for_url(f"{endpoint}/**")
        assert "Access denied" in page.content()
    assert [project.name for project in portal.trainer.get_projects()] == before
    assert status_of(portal.page, PROJECTS) == 200


def test_no_page_shows_the_portal_in_a_frame(portal: Portal) -> None:
    portal.expects("request to another origin", "console error")
    with page_of_a_stranger() as origin:
        page = portal.context.new_page()
        page.goto(origin)
        show = "url => { document.body.appendChild(document.createElement('iframe')).src = url }"
        with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
            page.evaluate(show, f"{portal.server.endpoint}/portal/")


@pytest.mark.parametrize("path", ["/portal/", "/portal/session", PROJECTS])
def test_a_name_that_resolves_to_this_machine_is_refused(portal: Portal, path: str) -> None:
    response = httpx.get(
        portal.server.endpoint + path,
        headers={"Host": f"evil.example:{portal.server.port}", "Sec-Fetch-Site": "same-origin"},
        trust_env=False,
    )
    assert response.status_code == 421
    assert "set-cookie" not in response.headers
