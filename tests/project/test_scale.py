"""The model of scale: its table is that of the page, and it follows from the costs."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench import scale_model
from bench.scale_model import LOADS, Assumptions, Load, plan, rates_of

OPERATIONS = ("prediction", "stored prediction", "upload", "read", "list", "download", "label")
# A server that needs 10 ms for each request, half of the time to score, and one transaction to store.
FIGURES = {
    "decoding and scoring": 5.0,
    **{
        f"{side}, {operation}, {what}": value
        for side in ("desk", "team")
        for operation in OPERATIONS
        for what, value in (
            ("server", 10.0),
            ("database", 1.0),
            ("transactions", 1.0 if operation in ("stored prediction", "upload", "label") else 0.0),
            ("stored", 100.0),
        )
    },
    **{f"{side}, training, fixed": 1000.0 for side in ("desk", "team")},
    **{f"{side}, training, an image": 10.0 for side in ("desk", "team")},
}
NOTHING = Load(people=0, predictions=0, images_a_day=0, trainings_a_day=0)


def test_the_table_of_the_page_is_what_the_model_computes() -> None:
    computed = scale_model.table(scale_model.costs())
    assert scale_model.page_table() == computed, "write it with: python -m bench.scale_model --write"


def test_the_figures_have_every_cost_that_the_model_reads() -> None:
    figures = scale_model.costs()
    assert set(rates_of(Load(), Assumptions())) == set(OPERATIONS)
    assert set(FIGURES) - set(figures) == {
        name
        for name in FIGURES
        if name.startswith("desk") and not name.endswith(("server", "fixed", "image"))
    }
    assert all(value >= 0 for value in figures.values())


def test_processors_are_the_sum_of_the_costs_at_the_planned_share() -> None:
    found = plan(replace(NOTHING, predictions=60, stored_share=0), FIGURES)
    assert found.server_cores == pytest.approx(60 * 0.010 / 0.6)
    assert found.interpreters == pytest.approx(60 * 0.005 * 0.8 / 0.6)
    assert (found.servers, found.database, found.transactions) == (1, "SQLite", 0)
    assert (found.first_limit, found.growth) == ("the interpreter lock of one server", pytest.approx(2.5))


def test_a_load_beyond_one_server_needs_a_database_on_a_server() -> None:
    found = plan(replace(NOTHING, predictions=300, stored_share=0), FIGURES)
    assert (found.database, found.servers) == ("PostgreSQL", 2)
    found = plan(replace(NOTHING, predictions=300, stored_share=0, is_redundant=True), FIGURES)
    assert found.servers == 3


def test_writes_beyond_one_database_are_spread_over_several() -> None:
    found = plan(replace(NOTHING, predictions=1000, stored_share=0.3), FIGURES)
    # 300 transactions of a sync of 1 ms, 1 ms of the database and 5 ms of the server.
    assert found.write_turn == pytest.approx(300 * 0.007 / 0.6)
    assert (found.databases, found.first_limit) == (4, "the write lock of one database")
    assert found.growth == pytest.approx(0.6 / 2.1)


def test_trainings_are_spread_over_the_working_hours() -> None:
    found = plan(replace(NOTHING, predictions=1, trainings_a_day=2880, images_each=500), FIGURES)
    assert found.worker_cores == pytest.approx(2880 * 6 / 28800 / 0.6)
    assert found.workers == 1


def test_room_is_that_of_uploads_and_of_predictions_that_are_kept() -> None:
    found = plan(replace(NOTHING, images_a_day=1000, years=1), FIGURES)
    assert found.image_tb == pytest.approx(365_000 * 100e3 / 1e12)
    found = plan(replace(NOTHING, predictions=3, stored_share=1, kept_days=10), FIGURES)
    assert found.image_tb == pytest.approx(1 * 28800 * 10 * 100e3 / 1e12)


def test_larger_loads_need_at_least_as_much() -> None:
    plans = [plan(load, scale_model.costs()) for load in LOADS.values()]
    for less, more in itertools.pairwise(plans):
        assert less.servers <= more.servers
        assert less.workers <= more.workers
        assert less.image_tb < more.image_tb


def test_the_command_of_the_page_prints_a_plan(capsys: pytest.CaptureFixture[str]) -> None:
    page = scale_model.PAGE.read_text()
    (command,) = [line for line in page.splitlines() if line.startswith("python -m bench.scale_model --pred")]
    assert scale_model.main(command.split()[3:]) == 0
    printed = capsys.readouterr().out
    assert "servers" in printed
    assert "prediction 240.0/s" in printed or "prediction 240/s" in printed


@pytest.mark.parametrize("text", ["-1", "nan", "many", "inf"])
def test_a_quantity_that_is_none_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        scale_model.main(["--people", text])
    assert "--people" in capsys.readouterr().err


def test_other_costs_are_read_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"what": name, "ours": value} for name, value in FIGURES.items()]
    path = tmp_path / "costs.json"
    path.write_text(json.dumps({"measurements": rows}))
    assert scale_model.main(["--costs", str(path)]) == 0
    assert capsys.readouterr().out == scale_model.table(FIGURES)
