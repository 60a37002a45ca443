"""Chromium for the benchmarks of the portal."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.programs import BenchFailed

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@contextmanager
def browsing() -> Iterator[Browser]:
    """A browser without a window. Raises BenchFailed when playwright or Chromium is missing."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise BenchFailed("playwright is missing: pip install playwright") from None
    chromium = shutil.which("chromium")
    if chromium is None:
        raise BenchFailed("chromium is missing: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()
