"""The text of the coverage page, and which runs of the tests check it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.contract_chain.spec import operations_of
from tests.support import coverage_evidence, coverage_page
from tests.support.coverage_evidence import RECORDED, VALIDATED, Evidence
from tests.support.coverage_plugin import PAGE, WRITE, CoveragePlugin

SHOWN = [
    Evidence("training", "3.3", "GetTags", VALIDATED),
    Evidence("training", "3.3", "GetTags", RECORDED),
    Evidence("training", "3.3", "GetTags", "Python 3.0.0"),
    Evidence("training", "3.0", "GetTags", "Python 1.0.0"),
    Evidence("training", "3.0", "GetTags", "JavaScript 3.0.0"),
    Evidence("training", "3.1", "GetTags", "Python 2.0.0 sent to 3.1"),
    Evidence("prediction", "3.1", "ClassifyImage", VALIDATED),
]


def row(page: str, name: str) -> str:
    [line] = (line for line in page.splitlines() if line.startswith(f"| {name} |"))
    return line


def test_cells_say_how_an_operation_is_known() -> None:
    page = coverage_page.page(SHOWN)
    assert row(page, "GetTags") == "| GetTags | S2 | (S1) | none | S1 R V | none |"
    assert (
        row(page, "GetArtifact") == "| GetArtifact | \N{EN DASH} | \N{EN DASH} | \N{EN DASH} | none | none |"
    )
    assert row(page, "ClassifyImage") == "| ClassifyImage | none | V |"


def test_totals_count_the_operations_of_each_version() -> None:
    lines = coverage_page.page(SHOWN).splitlines()
    assert "| Training 3.0 | 43 | 1 of 43 | 0 of 43 | 0 of 43 |" in lines
    assert "| Training 3.3 | 52 | 1 of 52 | 1 of 52 | 1 of 52 |" in lines
    assert "| Prediction 3.1 | 8 | 0 of 8 | 0 of 8 | 1 of 8 |" in lines


def test_every_operation_has_a_row() -> None:
    page = coverage_page.page([])
    for name in operations_of("training", "3.4-preview") | operations_of("prediction", "3.1"):
        assert "none" in row(page, name)


def test_the_page_does_not_depend_on_the_order_of_evidence() -> None:
    assert coverage_page.page(SHOWN) == coverage_page.page(reversed([*SHOWN, *SHOWN]))


def test_the_committed_page_counts_the_facts_as_they_are() -> None:
    """Facts are counted without any other test, so this fails long before a complete run ends."""
    written = PAGE.read_text(encoding="utf-8")
    assert coverage_page.facts_section() in written, "run: make coverage-page"


# --- the plugin ---------------------------------------------------------------------------------------------


class Run:
    """A run of the tests; `end` returns its exit status and the message of the plugin."""

    def __init__(self, page: Path, **options: Any) -> None:
        origin = options.pop("origin", pytest.Config.ArgsSource.TESTPATHS)
        config: Any = SimpleNamespace(
            args_source=origin, getoption=lambda name, default=None: options.get(name)
        )
        self.plugin = CoveragePlugin(config, page)

    def end(self, exit_status: int = 0) -> tuple[int, str]:
        session: Any = SimpleNamespace(exitstatus=exit_status)
        self.plugin.pytest_sessionfinish(session, exit_status)
        return session.exitstatus, self.plugin.said


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page that differs from the evidence."""
    monkeypatch.setattr(coverage_evidence, "collected", set(SHOWN))
    path = tmp_path / "coverage.md"
    path.write_text("# Coverage\nold\n", encoding="utf-8")
    return path


def test_a_complete_run_fails_where_the_page_is_another(page: Path) -> None:
    status, said = Run(page).end()
    assert status == 1
    assert "make coverage-page" in said
    assert "-old" in said.splitlines()


def test_a_complete_run_passes_when_the_page_agrees_with_its_evidence(page: Path) -> None:
    page.write_text(coverage_page.page(SHOWN), encoding="utf-8", newline="\n")
    assert Run(page).end() == (0, "")


def test_the_page_is_written_when_asked_for(page: Path) -> None:
    status, _ = Run(page, **{WRITE: True}).end()
    assert status == 0
    assert page.read_text(encoding="utf-8") == coverage_page.page(SHOWN)


@pytest.mark.parametrize(
    "options",
    [
        {"keyword": "tags"},
        {"markexpr": "not slow"},
        {"deselect": ["x"]},
        {"origin": pytest.Config.ArgsSource.ARGS},
    ],
    ids=str,
)
def test_a_run_of_some_tests_checks_nothing_and_writes_nothing(page: Path, options: dict[str, Any]) -> None:
    assert Run(page, **options).end() == (0, "")
    status, said = Run(page, **{WRITE: True}, **options).end()
    assert (status, said) == (1, "coverage.md is not written: not all tests were asked for")
    assert page.read_text(encoding="utf-8") == "# Coverage\nold\n"


def test_a_run_that_failed_checks_nothing(page: Path) -> None:
    assert Run(page).end(exit_status=1) == (1, "")


@pytest.mark.parametrize(
    ("test", "status"),
    [
        ("tests/sdk/test_every_operation.py::test_every_operation[Python 1.0.0]", 0),
        ("tests/project/test_docs.py::x", 1),
    ],
)
def test_without_an_sdk_nothing_is_checked(page: Path, test: str, status: int) -> None:
    run = Run(page)
    report: Any = SimpleNamespace(skipped=True, nodeid=test)
    run.plugin.pytest_runtest_logreport(report)
    assert run.end()[0] == status


def test_the_recording_is_not_needed(page: Path) -> None:
    run = Run(page, **{WRITE: True})
    report: Any = SimpleNamespace(skipped=True, nodeid="tests/recorded/test_facts.py::test_x[row0]")
    run.plugin.pytest_runtest_logreport(report)
    assert run.end()[0] == 0
    assert page.read_text(encoding="utf-8") == coverage_page.page(SHOWN)


def test_evidence_of_other_processes_is_collected(page: Path) -> None:
    run = Run(page)
    worker: Any = SimpleNamespace(config=SimpleNamespace(workeroutput={}), exitstatus=0)
    plugin = CoveragePlugin(worker.config, page)
    plugin.pytest_sessionfinish(worker, 0)
    coverage_evidence.collected.clear()
    run.plugin.pytest_testnodedown(SimpleNamespace(workeroutput=worker.config.workeroutput))
    assert coverage_evidence.collected == set(SHOWN)


def test_a_process_that_died_has_shown_nothing(page: Path) -> None:
    Run(page).plugin.pytest_testnodedown(SimpleNamespace())
    assert coverage_evidence.collected == set(SHOWN)
