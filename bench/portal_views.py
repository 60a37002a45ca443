"""Time until pages of the portal are drawn in Chromium: the gallery of projects, and an image with 300 boxes.

The portal must be built (`make portal`); needed are playwright and Debian's package chromium.
"""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import load, programs
from bench.browser import browsing
from bench.image_rows import fill
from bench.programs import EMULATOR, TRAINING, TRAINING_PATH, request
from bench.report import Measurement

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FIRST_VIEW_SECONDS = 1
EDITOR_SECONDS = 0.3
PROJECTS = 24
BOXES = 300
# Boxes of one request, at most; the limit of the service.
_BATCH = 64
RUNS = 7
# Sets `drawn` to the time of the first frame at which the condition holds.
_WATCH = """() => {
  const watch = () => {
    if (%s) window.drawn = performance.now();
    else requestAnimationFrame(watch);
  };
  requestAnimationFrame(watch);
}"""
_AWAIT = """async () => {
  while (!window.drawn) await new Promise(requestAnimationFrame);
  return window.drawn;
}"""
_WATCH_FROM_KEY = """() => addEventListener("keydown", event => {
  window.pressed = event.timeStamp;
  (%s)();
}, {once: true, capture: true})"""
_GALLERY_DRAWN = (
    "[...document.querySelectorAll('main img')].filter(image => image.complete && image.naturalWidth).length"
    " && !document.querySelector('main img:not([src])')"
)
_BOXES_DRAWN = (
    f"document.querySelectorAll('[data-label-of]').length === {BOXES}"
    " && [...document.querySelectorAll('[data-canvas] img')].every(image => image.complete)"
)


def measure() -> Iterator[Measurement]:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        # The first start creates the schema.
        with programs.running(EMULATOR, data):
            pass
        for _ in range(PROJECTS):
            fill(data, 10)
        with programs.running(EMULATOR, data) as server, browsing() as browser:
            project, image = _many_boxes(server.port)
            yield _first_view(browser, server.endpoint)
            yield _editor(browser, server.endpoint, project, image)


def _first_view(browser: Browser, endpoint: str) -> Measurement:
    """From the navigation, with an empty cache, until the thumbnails of the projects are drawn."""
    seconds = []
    for _ in range(RUNS):
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        page = context.new_page()
        page.add_init_script(f"({_WATCH % _GALLERY_DRAWN})()")
        page.goto(f"{endpoint.rstrip('/')}/portal/projects")
        seconds.append(_drawn(page) / 1000)
        context.close()
    return _within("gallery, from the navigation until it is drawn", seconds, FIRST_VIEW_SECONDS)


def _editor(browser: Browser, endpoint: str, project: str, image: str) -> Measurement:
    """From the key that opens an image of the grid until its boxes are drawn."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    seconds = []
    for _ in range(RUNS):
        page.goto(f"{endpoint.rstrip('/')}/portal/projects/{project}/images")
        tile = page.locator(f"[data-image='{image}']")
        tile.locator("img").wait_for()
        page.wait_for_load_state("networkidle")
        tile.focus()
        page.evaluate(_WATCH_FROM_KEY % (_WATCH % _BOXES_DRAWN))
        page.keyboard.press("Enter")
        seconds.append((_drawn(page) - page.evaluate("window.pressed")) / 1000)
    page.close()
    return _within(f"image with {BOXES} boxes, from the key until it is drawn", seconds, EDITOR_SECONDS)


def _within(what: str, seconds: list[float], budget: float) -> Measurement:
    median = sorted(seconds)[len(seconds) // 2]
    return Measurement(what, median, "s", at_most=budget, samples={"ours": seconds})


def _drawn(page: Page) -> float:
    drawn: float = page.evaluate(_AWAIT)
    return drawn


def _many_boxes(port: int) -> tuple[str, str]:
    """A detection project with one photograph that has BOXES boxes: the ids of both."""
    import skimage.data
    from PIL import Image

    client = load.Client(port)

    def ask(method: str, path: str, body: bytes = b"", kind: str = "application/json") -> Any:
        headers = TRAINING | {"Content-Type": kind}
        return json.loads(client.ask(request(method, f"{TRAINING_PATH}{path}", headers, body)))

    domains = ask("GET", "/domains")
    domain = next(each["id"] for each in domains if each["type"] == "ObjectDetection")
    project = ask("POST", f"/projects?name=boxes&domainId={domain}")["id"]
    tag = ask("POST", f"/projects/{project}/tags?name=coin")["id"]
    file = io.BytesIO()
    Image.fromarray(skimage.data.astronaut()).resize((1600, 1600)).save(file, "JPEG")
    created = ask("POST", f"/projects/{project}/images", file.getvalue(), "application/octet-stream")
    image = created["images"][0]["image"]["id"]
    regions = [
        {"imageId": image, "tagId": tag, "left": x / 20, "top": y / 15, "width": 0.04, "height": 0.05}
        for x in range(20)
        for y in range(15)
    ]
    for begin in range(0, BOXES, _BATCH):
        body = json.dumps({"regions": regions[begin : begin + _BATCH]}).encode()
        ask("POST", f"/projects/{project}/images/regions", body)
    client.close()
    return project, image
