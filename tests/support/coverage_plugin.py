"""Plugin of pytest that compares docs/coverage.md with the evidence of the tests that ran.

A complete run whose tests pass fails when the page differs from its evidence; with --write-coverage-page it
writes the page. A run of some of the tests, or one without all SDKs, checks nothing.
"""

import difflib
from pathlib import Path
from typing import Any

import pytest

from tests.support import coverage_evidence, coverage_page
from tests.support.coverage_evidence import Evidence

PAGE = Path(__file__).parents[2] / "docs" / "coverage.md"
WRITE = "--write-coverage-page"
# Tests in these folders give evidence; when one is skipped, evidence is missing.
SOURCES = ("tests/contract_chain/", "tests/recorded/", "tests/sdk/")
# These give none. What they compare with is not part of this repository.
WITHOUT_EVIDENCE = (
    "tests/recorded/test_facts.py::",
    "tests/contract_chain/test_official_against_spec.py::",
)
SELECTING = ("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "collectonly", "lf", "stepwise")


class CoveragePlugin:
    """Sends evidence to the main process in a worker of pytest-xdist; checks the page elsewhere."""

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
        """Collect the evidence of a worker of pytest-xdist that ended."""
        shown = getattr(node, "workeroutput", {}).get("evidence", [])
        coverage_evidence.collected.update(Evidence(*item) for item in shown)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput["evidence"] = [list(item) for item in coverage_evidence.collected]
            return
        is_writing = self.config.getoption(WRITE)
        reason = self.why_partial(exitstatus)
        if reason is not None:
            if is_writing:
                self.said = f"{self.page.name} is not written: {reason}"
                session.exitstatus = exitstatus or pytest.ExitCode.TESTS_FAILED
            return
        given = coverage_page.page(coverage_evidence.collected)
        there = self.page.read_text(encoding="utf-8") if self.page.exists() else ""
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
        """Why this run can't check the page; None if it can."""
        if exitstatus:
            return "the run did not pass"
        if self.config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
            return "not all tests were asked for"
        if any(self.config.getoption(name, None) for name in SELECTING):
            return "not all tests were asked for"
        for name in self.skipped:
            if not name.startswith(WITHOUT_EVIDENCE):
                return f"{name} was skipped"
        return None
