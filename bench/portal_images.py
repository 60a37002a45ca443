"""The grid of the portal with up to 100,000 images in Chromium: frames, elements, way to the end, tagging.

The portal must be built (`make portal`); needed are playwright and Debian's package chromium.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import programs
from bench.browser import browsing
from bench.image_rows import Seen, fill
from bench.programs import EMULATOR
from bench.report import Measurement

if TYPE_CHECKING:
    from playwright.sync_api import Page

COUNTS = (10_000, 100_000)
TAGGED = 10_000
WIDTH, HEIGHT = 1920, 1080
FRAMES_A_SECOND = 55
NODES = 1_000
END_SECONDS = 1
TAGGING_SECONDS = 10
SCROLL_PIXELS_A_SECOND = 3_600
SCROLL_SECONDS = 5
RUNS = 3
_GRID = "[data-testid=image-grid]"
# Scrolls by what has passed since the last frame, and notes the length of each.
_SCROLL = """async ([speed, seconds]) => {
  const grid = document.querySelector("[data-testid=image-grid]");
  const lengths = [];
  let nodes = 0;
  let last = await new Promise(requestAnimationFrame);
  const end = last + seconds * 1000;
  while (last < end) {
    const now = await new Promise(requestAnimationFrame);
    lengths.push(now - last);
    grid.scrollTop += speed * (now - last) / 1000;
    last = now;
    if (lengths.length % 20 === 0) nodes = Math.max(nodes, grid.querySelectorAll("*").length);
  }
  return {lengths, nodes};
}"""
_TO_END = """async last => {
  const grid = document.querySelector("[data-testid=image-grid]");
  const start = performance.now();
  grid.scrollTop = grid.scrollHeight;
  for (;;) {
    const image = document.querySelector(`[data-index="${last}"][data-image] img`);
    if (image?.complete && image.naturalWidth) return performance.now() - start;
    await new Promise(requestAnimationFrame);
  }
}"""


def measure() -> Iterator[Measurement]:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        # The first start creates the schema.
        with programs.running(EMULATOR, data):
            pass
        projects = [fill(data, count) for count in COUNTS]
        with programs.running(EMULATOR, data) as server, browsing() as browser:
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            for project in projects:
                yield from _grid(page, server.endpoint, project)
            yield from _tagging(page, server.endpoint, projects[0])


def _grid(page: Page, endpoint: str, project: Seen) -> Iterator[Measurement]:
    frames, nodes, ends = [], 0, []
    for _ in range(RUNS):
        _open(page, endpoint, project.id)
        scrolled: Any = page.evaluate(_SCROLL, [SCROLL_PIXELS_A_SECOND, SCROLL_SECONDS])
        lengths = scrolled["lengths"]
        frames.append(len(lengths) * 1000 / sum(lengths))
        nodes = max(nodes, scrolled["nodes"])
        ends.append(page.evaluate(_TO_END, project.images - 1) / 1000)
    name = f"{project.images:,} images"
    yield Measurement(
        f"{name}, scrolling", _median(frames), "frames/s", at_least=FRAMES_A_SECOND, samples={"ours": frames}
    )
    yield Measurement(f"{name}, elements in the grid, at most", nodes, "", at_most=NODES)
    yield Measurement(
        f"{name}, from the first to the last", _median(ends), "s", at_most=END_SECONDS, samples={"ours": ends}
    )


def _tagging(page: Page, endpoint: str, project: Seen) -> Iterator[Measurement]:
    """Select all, press the key of a tag, until the message that all are tagged."""
    _open(page, endpoint, project.id)
    page.keyboard.press("Control+a")
    page.get_by_text(f"{TAGGED:,} selected").first.wait_for()
    started = time.perf_counter()
    page.keyboard.press("1")
    page.locator("#undo").get_by_text("Tagged ").wait_for(timeout=120_000)
    yield Measurement(
        f"{TAGGED:,} images, select all and tag", time.perf_counter() - started, "s", at_most=TAGGING_SECONDS
    )
    started = time.perf_counter()
    page.keyboard.press("Control+z")
    page.get_by_text("Undone: Tagged").first.wait_for(timeout=120_000)
    yield Measurement("  undo", time.perf_counter() - started, "s")


def _open(page: Page, endpoint: str, project_id: str) -> None:
    page.goto(f"{endpoint.rstrip('/')}/portal/projects/{project_id}/images")
    page.locator(f"{_GRID} [data-image] img").first.wait_for()
    page.wait_for_load_state("networkidle")


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
