"""axe on every page and every dialog, in light and dark: with content, empty, and where requests fail.

The lists are complete: a page or a dialog that is not in them fails a test.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.support.harness import RESOURCE_ID, TRAINING_KEY
from tests.support.images import picture
from tests.support.live_server import LiveServer
from tests.support.portal import Portal
from tests.support.portal_projects import DETECTION, PhotoProject, photo_project, photograph, train
from tests.support.portal_projects import GENERAL_COMPACT as COMPACT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page, Route

SOURCES = Path(__file__).parents[2] / "portal" / "src"
# Those of a project by their paths, each with the queries that open its parts.
PAGES: dict[str, tuple[str, ...]] = {
    "images": ("", "?iteration={first}"),
    "label": ("?status=all",),
    "train": ("",),
    "results": ("", "?tab=matrix", "?tab=curves", "?tab=images", "?tab=hints"),
    "compare": ("?a={first}&b={iteration}",),
    "predictions": ("",),
    "quicktest": ("",),
    "testsets": ("", "/{test_set}/{iteration}"),
    "map": ("",),
    "settings": ("",),
}
TABS_OF_EMULATOR = ("overview", "requests", "snapshots", "tests")
FAILURE = '{"code": "ErrorUnknown", "message": "The request failed."}'


@dataclass(frozen=True)
class Content:
    """Projects with everything that pages show. first: an iteration before the last one."""

    classifier: PhotoProject
    first: str
    test_set: str
    detector: PhotoProject
    empty: str

    def address(self, project: PhotoProject | str, path: str, query: str) -> str:
        if isinstance(project, str):
            return f"projects/{project}/{path}"
        first = self.first if project is self.classifier else project.iteration_id
        test_set = self.test_set if project is self.classifier else "none"
        named = query.format(first=first, iteration=project.iteration_id, test_set=test_set)
        return f"projects/{project.id}/{path}{named}"


def control(server: LiveServer, method: str, path: str, **more: Any) -> httpx.Response:
    headers = {"Training-Key": TRAINING_KEY}
    response = httpx.request(
        method, f"{server.endpoint}/_emulator/{path}", headers=headers, trust_env=False, **more
    )
    assert response.is_success, response.text
    return response


@pytest.fixture(scope="module")
def content(browser: Browser, portal_server: LiveServer) -> Content:
    user = Portal(browser, portal_server)
    trainer = user.trainer
    made = photo_project(trainer, "With content", domain=COMPACT)
    trainer.create_images_from_data(made.id, photograph("rocket"))
    tag = trainer.create_tag(made.id, "<b>long</b> 🐈 " + "n" * 200, description="A tag without images")
    trainer.delete_tag(made.id, tag.id)
    latest = train(trainer, made.id)
    trainer.publish_iteration(made.id, made.iteration_id, "live", RESOURCE_ID)
    user.predictor.classify_image(made.id, "live", photograph("coffee", 9))
    classifier = PhotoProject(made.id, made.name, made.tags, latest)
    detector = photo_project(trainer, "With boxes", domain=DETECTION, tags={"astronaut": 15, "rocket": 16})
    trainer.publish_iteration(detector.id, detector.iteration_id, "boxes", RESOURCE_ID)
    user.predictor.detect_image(detector.id, "boxes", photograph("rocket", 17))
    sets = f"projects/{made.id}/testSets"
    test_set = control(portal_server, "POST", sets, json={"name": "held out"}).json()["id"]
    entries = [
        {"name": f"{name}.jpg", "contents": _base64(photograph(name, 17)), "tagNames": [name]}
        for name in ("astronaut", "chelsea")
    ]
    control(portal_server, "POST", f"{sets}/{test_set}/images", json={"images": entries})
    control(portal_server, "POST", f"{sets}/{test_set}/evaluations", json={"iterationIds": [latest]})
    empty = trainer.create_project("Empty").id
    user.close()
    return Content(classifier, made.iteration_id, test_set, detector, empty)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def fail_requests(page: Page, project_id: str) -> None:
    """All requests of the page but those of its frame respond with 500."""
    frame = re.compile(rf"/projects/{project_id}$|/portal/|/_emulator/(info|jobs)\b")

    def respond(route: Route) -> None:
        if frame.search(route.request.url):
            route.continue_()
        else:
            route.fulfill(status=500, content_type="application/json", body=FAILURE)

    page.route(re.compile(r"/customvision/|/_emulator/"), respond)


# --- pages --------------------------------------------------------------------------------------------------


def test_every_page_is_in_the_list() -> None:
    source = (SOURCES / "app" / "pages.ts").read_text("utf-8")
    assert set(re.findall(r'\{ path: "(\w+)"', source)) == set(PAGES)
    assert set(re.findall(r"const (\w+Page) = lazy", source)) == {"ProjectsPage", "EmulatorPage"}
    emulator = (SOURCES / "pages" / "emulator" / "EmulatorPage.tsx").read_text("utf-8")
    assert tuple(re.findall(r'\{ id: "(\w+)"', emulator)) == TABS_OF_EMULATOR
    results = (SOURCES / "pages" / "results" / "tabs.ts").read_text("utf-8")
    tabs = re.findall(r'id: "(\w+)"', results)
    assert {query for query in PAGES["results"] if query} == {f"?tab={tab}" for tab in tabs[1:]}


@pytest.mark.parametrize("path", PAGES)
def test_pages_with_content(portal: Portal, content: Content, path: str) -> None:
    for project in (content.classifier, content.detector):
        for query in PAGES[path]:
            if project is content.detector and "{test_set}" in query:
                continue
            page = portal.open(content.address(project, path, query))
            assert page.get_by_role("main").inner_text().strip()
            portal.check_accessibility()


@pytest.mark.parametrize("path", PAGES)
def test_pages_of_an_empty_project_and_of_failed_requests(
    portal: Portal, content: Content, path: str
) -> None:
    page = portal.open(content.address(content.empty, path, ""))
    assert page.get_by_role("main").inner_text().strip()
    portal.check_accessibility()
    portal.expects("status of 500")
    fail_requests(page, content.classifier.id)
    portal.open(content.address(content.classifier, path, PAGES[path][0]))
    page.get_by_role("alert").first.wait_for()
    portal.check_accessibility()


@pytest.mark.parametrize("tab", TABS_OF_EMULATOR)
def test_the_page_of_the_emulator(portal: Portal, tab: str) -> None:
    page = portal.open(f"emulator?tab={tab}")
    page.get_by_role("tabpanel").wait_for()
    portal.check_accessibility()
    portal.expects("status of 500")
    page.route(
        re.compile(r"/_emulator/"),
        lambda route: route.fulfill(status=500, content_type="application/json", body=FAILURE),
    )
    portal.open(f"emulator?tab={tab}")
    page.get_by_role("alert").first.wait_for()
    portal.check_accessibility()


def test_the_gallery_and_addresses_that_lead_nowhere(portal: Portal, content: Content) -> None:
    page = portal.open("projects")
    page.get_by_text("With content").first.wait_for()
    portal.check_accessibility()
    portal.open("projects?q=nothing+is+named+like+this")
    portal.check_accessibility()
    portal.expects("status of 404", "status of 400", "status of 500")
    for path in (f"projects/{content.empty[:-4]}0000/images", f"projects/{content.empty}/nothing", "nothing"):
        portal.open(path)
        portal.check_accessibility()
    page.route(
        "**/training/projects",
        lambda route: route.fulfill(status=500, content_type="application/json", body=FAILURE),
    )
    portal.open("projects")
    page.get_by_role("alert").wait_for()
    portal.check_accessibility()


# --- dialogs ------------------------------------------------------------------------------------------------


def button(name: str | re.Pattern[str]) -> Callable[[Page], None]:
    return lambda page: page.get_by_role("button", name=name).first.click()


def item(opener: str | re.Pattern[str], name: str) -> Callable[[Page], None]:
    """An entry of a menu."""

    def act(page: Page) -> None:
        page.get_by_role("button", name=opener).first.click()
        page.get_by_role("menuitem", name=name).click()

    return act


def keys(*pressed: str) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        for key in pressed:
            page.keyboard.press(key)

    return act


def several(*acts: Callable[[Page], None]) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        for each in acts:
            each(page)

    return act


def select_first_image(page: Page) -> None:
    page.locator("[data-image]").first.wait_for()
    page.keyboard.press("Home")
    page.keyboard.press("Space")


def upload_something(page: Page) -> None:
    """An image, a duplicate of it, and a file that is none."""
    page.get_by_role("button", name="Add images").first.click()
    files = [
        {"name": f"{name}.png", "mimeType": "image/png", "buffer": data}
        for name, data in (("a", picture(77)), ("b", picture(77)), ("c", picture(78)[:60]))
    ]
    page.locator("input[type=file]:not([webkitdirectory])").set_input_files(files)  # type: ignore[arg-type]
    page.get_by_role("button", name="Upload 3 images").click()
    page.get_by_role("button", name="Details").click()


def save_a_snapshot(page: Page) -> None:
    page.get_by_label("New snapshot").fill("accessibility")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("row", name="accessibility").wait_for()


@dataclass(frozen=True)
class Dialog:
    """`source`: the file below `src` that has it. `path`: the page on which `act` opens it."""

    source: str
    path: str
    act: Callable[[Page], None]
    name: str | re.Pattern[str]


IMAGES, RESULTS = "projects/{classifier}/images", "projects/{classifier}/results"
SNAPSHOTS = "emulator?tab=snapshots"
CONFIRM = "components/confirm.tsx"
DIALOGS = (
    Dialog("keyboard/KeyHelp.tsx", "projects", button("Keys"), "Keys"),
    Dialog("app/Palette.tsx", "projects", keys("Control+k"), re.compile("")),
    Dialog("app/jobs/JobIndicator.tsx", "projects", button(re.compile("job", re.IGNORECASE)), re.compile("")),
    Dialog("pages/projects/NewProjectDialog.tsx", "projects", button("New project"), "New project"),
    Dialog("pages/projects/ImportDialog.tsx", "projects", button("Import"), "Import"),
    Dialog("pages/images/upload/UploadDialog.tsx", IMAGES, button("Add images"), "Add images"),
    Dialog("datasets/DataSetDialog.tsx", IMAGES, item("Data sets", "Import"), "Import a data set"),
    Dialog("datasets/ExportDialog.tsx", IMAGES, item("Data sets", "Export"), "Export as a data set"),
    Dialog("uploads/UploadReport.tsx", "projects/{empty}/images", upload_something, "Upload"),
    Dialog(
        "pages/images/detail/ImageDetail.tsx", IMAGES, several(select_first_image, keys("Enter")), "Image"
    ),
    Dialog("pages/images/tags/TagDialog.tsx", IMAGES, button("New tag"), "New tag"),
    Dialog(
        CONFIRM,
        "projects?q=with+content",
        item("More about With content", "Delete"),
        "Delete this project?",
    ),
    Dialog(
        "pages/results/images/ImageViewer.tsx",
        RESULTS + "?tab=images",
        lambda page: page.get_by_role("tabpanel").get_by_role("listitem").first.get_by_role("button").click(),
        re.compile(""),
    ),
    Dialog("pages/results/dialogs/PublishDialog.tsx", RESULTS, button("Publish"), "Publish the iteration"),
    Dialog("pages/results/rollouts/RolloutDialog.tsx", RESULTS, button("Roll out"), "Roll the iteration out"),
    Dialog(
        "pages/results/dialogs/PredictionUrlDialog.tsx",
        RESULTS + "/{first}",
        button("Prediction URL"),
        "Prediction URL",
    ),
    Dialog("pages/results/exports/ExportDialog.tsx", RESULTS, button("Export"), "Export the iteration"),
    Dialog(
        "pages/results/dialogs/RenameDialog.tsx",
        RESULTS,
        item("More about this iteration", "Rename"),
        "Rename the iteration",
    ),
    Dialog(CONFIRM, RESULTS, item("More about this iteration", "Delete"), "Delete this iteration?"),
    Dialog(
        CONFIRM,
        RESULTS + "/{first}",
        item("More about this iteration", "Delete"),
        "A published iteration cannot be deleted",
    ),
    Dialog(
        "pages/predictions/PredictionDialog.tsx",
        "projects/{classifier}/predictions",
        button(re.compile("^Open the prediction")),
        "Prediction 1",
    ),
    Dialog(
        "pages/predictions/PredictionDialog.tsx",
        "projects/{detector}/predictions",
        button(re.compile("^Open the prediction")),
        "Prediction 1",
    ),
    Dialog(
        "pages/predictions/AddWithTags.tsx",
        "projects/{classifier}/predictions",
        several(
            lambda page: page.get_by_role("checkbox", name="Select the prediction").first.check(),
            button("Add to training"),
        ),
        re.compile(""),
    ),
    Dialog(
        "pages/testsets/NameDialog.tsx", "projects/{empty}/testsets", button("New test set"), "New test set"
    ),
    Dialog(
        "pages/testsets/ImageCards.tsx",
        "projects/{classifier}/testsets/{test_set}/{iteration}",
        lambda page: page.get_by_role("main").get_by_role("listitem").get_by_role("button").first.click(),
        re.compile("jpg"),
    ),
    Dialog(
        "pages/emulator/requests/RequestDialog.tsx",
        "emulator?tab=requests",
        lambda page: page.get_by_role("table", name="Last requests").get_by_role("button").first.click(),
        re.compile(""),
    ),
    Dialog(CONFIRM, "emulator?tab=requests", button("Clear"), "Clear the request log?"),
    Dialog(CONFIRM, "emulator", button("Delete everything"), "Delete everything?"),
    Dialog(
        CONFIRM,
        SNAPSHOTS,
        several(save_a_snapshot, button("Restore accessibility")),
        "Restore accessibility?",
    ),
)
# Opened by the end of a session; has a test of its own below.
SIGN_IN = "app/SignIn.tsx"


def test_every_dialog_is_in_the_list() -> None:
    opened = re.compile(r"<(Modal|Modal\.Root|Popover|Spotlight|Drawer)[\s>]")
    found = {
        path.relative_to(SOURCES).as_posix()
        for path in SOURCES.rglob("*.tsx")
        if opened.search(path.read_text("utf-8"))
    }
    assert found == {dialog.source for dialog in DIALOGS} | {SIGN_IN}


@pytest.mark.parametrize("dialog", DIALOGS, ids=lambda each: f"{Path(each.source).stem} {each.path}")
def test_dialogs(portal: Portal, content: Content, dialog: Dialog) -> None:
    path = dialog.path.format(
        classifier=content.classifier.id,
        detector=content.detector.id,
        empty=content.empty,
        first=content.first,
        iteration=content.classifier.iteration_id,
        test_set=content.test_set,
    )
    page = portal.open(path)
    dialog.act(page)
    shown: Locator = page.get_by_role("dialog", name=dialog.name).first
    shown.wait_for()
    portal.settle()
    portal.check_accessibility()
    # The focus is within, and Escape leads back to where it was.
    page.wait_for_function("dialog => dialog.contains(document.activeElement)", arg=shown.element_handle())
    page.keyboard.press("Escape")
    shown.wait_for(state="hidden")
    page.wait_for_function("() => document.activeElement !== document.body")


def test_the_palette_with_more_entries_than_space(portal: Portal) -> None:
    for number in range(16):
        portal.trainer.create_project(f"One of many {number}")
    page = portal.open("projects")
    page.keyboard.press("Control+k")
    page.get_by_role("dialog").get_by_text("Open One of many").first.wait_for()
    portal.settle()
    scrolled = (
        "each => each.scrollHeight > each.clientHeight && getComputedStyle(each).overflowY === 'scroll'"
    )
    assert page.evaluate(f"[...document.querySelectorAll('[role=dialog] *')].some({scrolled})")
    portal.check_accessibility()


def test_the_dialog_that_asks_for_a_key(portal: Portal) -> None:
    portal.expects("status of 401")
    denied = '{"code": "401", "message": "Access denied."}'

    def respond(route: Route) -> None:
        if route.request.method == "GET":
            route.fulfill(content_type="application/json", body='{"signedIn": false, "keyRequired": true}')
        else:
            route.fulfill(status=401, content_type="application/json", body=denied)

    portal.page.route("**/portal/session", respond)
    page = portal.open("projects")
    dialog = page.get_by_role("dialog", name="Sign in")
    dialog.wait_for()
    portal.check_accessibility()
    key = dialog.get_by_label(re.compile("^Training key"))
    assert key.evaluate("field => field === document.activeElement")
    key.fill("wrong")
    page.keyboard.press("Enter")
    dialog.get_by_role("alert").get_by_text("This is not a training key").wait_for()
    portal.check_accessibility()
    # It stays: behind it there is nothing without a session.
    page.keyboard.press("Escape")
    assert dialog.is_visible()
