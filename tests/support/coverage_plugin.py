"""Keeps docs/coverage.md what the tests that ran have shown: a plugin that `tests/conftest.py` registers.

A complete run that passes fails after all if the page is not what it gives; with --write-coverage-page it
writes the page. A run of some of the tests, or one that lacks an SDK, judges nothing; one that lacks the
recording of the service judges all but what that shows.
"""

import difflib
from pathlib import Path
from typing import Any

import pytest

from tests.support import coverage_evidence, coverage_page
from tests.support.coverage_evidence import Evidence

PAGE = Path(__file__).parents[2] / "docs" / "coverage.md"
WRITE = "--write-coverage-page"
# What stands here gives evidence; a test that is skipped is evidence that is missing.
SOURCES = ("tests/contract_chain/", "tests/recorded/", "tests/sdk/")
# What these need is not part of this repository.
RECORDINGS = ("tests/recorded/", "tests/contract_chain/test_official_against_spec.py::")
SELECTING = ("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "collectonly", "lf", "stepwise")


class CoveragePlugin:
    """In a process of pytest-xdist it hands over what the tests have shown; elsewhere it judges the page."""

    def __init__(self, config: pytest.Config, page: Path = PAGE) -> None:
        self.config = config
        self.page = page
        self.skipped: list[str] = []
        self.said = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and report.nodeid.startswith(SOURCES):
            self.skipped.append(report.nodeid)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A process of pytest-xdist has ended."""
        shown = getattr(node, "workeroutput", {}).get("evidence", [])
        coverage_evidence.collected.update(Evidence(*item) for item in shown)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput["evidence"] = [list(item) for item in coverage_evidence.collected]
            return
        is_writing = self.config.getoption(WRITE)
        reason = self.why_partial(exitstatus)
        lacks_recording = any(name.startswith(RECORDINGS) for name in self.skipped)
        if reason is None and is_writing and lacks_recording:
            reason = "there is no recording of the service's answers"
        if reason is not None:
            if is_writing:
                self.said = f"{self.page.name} is not written: {reason}"
                session.exitstatus = exitstatus or pytest.ExitCode.TESTS_FAILED
            return
        given = coverage_page.page(coverage_evidence.collected)
        there = self.page.read_text(encoding="utf-8") if self.page.exists() else ""
        if lacks_recording:
            given, there = (coverage_page.without_recordings(text) for text in (given, there))
        if given == there:
            return
        if is_writing:
            self.page.write_text(given, encoding="utf-8", newline="\n")
            self.said = f"{self.page.name} is written anew"
            return
        lines = difflib.unified_diff(there.splitlines(), given.splitlines(), "there", "given", "", "", 0, "")
        self.said = "\n".join([f"{self.page} is not what this run gives; run: make coverage-page", *lines])
        session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.said:
            terminalreporter.section("coverage page")
            terminalreporter.line(self.said)

    def why_partial(self, exitstatus: int) -> str | None:
        """Why this run can't judge the page; None if it can."""
        if exitstatus:
            return "the run did not pass"
        if self.config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
            return "not all tests were asked for"
        if any(self.config.getoption(name, None) for name in SELECTING):
            return "not all tests were asked for"
        for name in self.skipped:
            if not name.startswith(RECORDINGS):
                return f"{name} was skipped"
        return None
