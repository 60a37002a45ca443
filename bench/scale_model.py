"""What servers, workers, database and disks a load needs, computed from the measured costs of operations.

    python -m bench.scale_model                                   the table of docs/scale.md
    python -m bench.scale_model --predictions 200 --people 50     a load of your own
    python -m bench.scale_model --write                           writes the table into docs/scale.md

The costs are those of ``bench/figures/costs.json``, a copy of ``bench/results/costs.json``, which
``python -m bench costs`` writes; ``--costs FILE`` takes others. A resource has a load of 1 when it is used up
to the share that is planned for (`Assumptions`); what has the highest load among those that cannot be bought
by the piece is the next limit.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / "bench" / "figures" / "costs.json"
PAGE = ROOT / "docs" / "scale.md"
BEGIN, END = "<!-- python -m bench.scale_model --write -->\n", "<!-- end -->\n"
DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Assumptions:
    """What is not measured.

    Attributes:
        planned_share: of a processor, of the interpreter lock and of the write lock that a plan may use.
        server_cores: processors of a server.
        interpreter_share: of the processor time of a request without scoring, in which it holds the lock of
            the interpreter; the rest is the kernel's.
        sync_ms: duration of a sync to the disk, or to the replicas of a database.
        peak: requests in the busiest second over those of the mean second of the working hours.
        working_hours: of a day, in which people work and train.
        image_kb: size of an image that is sent.
        network_megabits: in a second, of the proxy before the servers.
    """

    planned_share: float = 0.6
    server_cores: int = 8
    interpreter_share: float = 0.8
    sync_ms: float = 1.0
    peak: float = 3.0
    working_hours: float = 8.0
    image_kb: float = 100.0
    network_megabits: float = 10_000.0


@dataclass(frozen=True)
class Load:
    """What is asked for.

    Attributes:
        people: who work in the portal or with the SDK at the same time.
        predictions: in the busiest second.
        stored_share: of the predictions that are stored.
        images_a_day: uploads.
        trainings_a_day: quick trainings.
        images_each: images of a training.
        kept_days: for which stored predictions are kept.
        years: of uploads that the disk has room for.
        is_redundant: whether the end of one server may not be noticed.
    """

    people: float = 1
    predictions: float = 1
    stored_share: float = 0.1
    images_a_day: float = 500
    trainings_a_day: float = 10
    images_each: float = 500
    kept_days: float = 30
    years: float = 2
    is_redundant: bool = False


LOADS = {
    "desk": Load(),
    "factory": Load(
        people=5,
        predictions=20,
        images_a_day=2_000,
        trainings_a_day=5,
        images_each=5_000,
    ),
    "team": Load(
        people=50,
        predictions=50,
        images_a_day=20_000,
        trainings_a_day=200,
        images_each=2_000,
        is_redundant=True,
    ),
    "internet": Load(
        people=10_000,
        predictions=2_000,
        stored_share=0.05,
        images_a_day=2_000_000,
        trainings_a_day=20_000,
        images_each=1_000,
        is_redundant=True,
    ),
}
# Requests of one person in a minute of work: pages of images with their pictures, labels.
REQUESTS_A_MINUTE = {"read": 12, "list": 4, "download": 60, "label": 6}


@dataclass(frozen=True)
class Plan:
    """What a load needs, and how far it is from the next limit.

    Attributes:
        rates: requests of each operation in the busiest second.
        server_cores, database_cores, worker_cores: processors at the planned share; of the workers, within
            the working hours.
        servers: processes of the emulator. machines: with `Assumptions.server_cores`, for these processes.
        workers: processors that train.
        database: SQLite in the data folder, or PostgreSQL.
        databases: over which accounts are spread, since one does not carry the writes of all.
        transactions: that write, in the busiest second.
        write_turn: load of the write lock of one database with all accounts, which one transaction has at
            a time. An upper bound: it contains all processor time of a request that writes, except scoring.
        image_tb: room for images.
        megabits: in the busiest second, in both directions.
        first_limit: what is used up first as the load grows.
        growth: the factor by which the load can grow until then, with more servers and workers. Below 1:
            the largest share of the load that one account may have.
    """

    rates: Mapping[str, float]
    server_cores: float
    interpreters: float
    database_cores: float
    worker_cores: float
    servers: int
    machines: int
    workers: int
    database: str
    databases: int
    transactions: float
    write_turn: float
    image_tb: float
    megabits: float
    first_limit: str
    growth: float


def costs(path: Path = FIGURES) -> dict[str, float]:
    """The measured figures by their names, such as ``team, upload, server``."""
    rows = json.loads(path.read_text(encoding="utf-8"))["measurements"]
    return {row["what"]: row["ours"] for row in rows}


def rates_of(load: Load, assumed: Assumptions) -> dict[str, float]:
    """Requests of each operation in the busiest second."""
    busiest = assumed.peak / (assumed.working_hours * 3600)
    return {
        "prediction": load.predictions * (1 - load.stored_share),
        "stored prediction": load.predictions * load.stored_share,
        "upload": load.images_a_day * busiest,
        **{name: load.people * number / 60 for name, number in REQUESTS_A_MINUTE.items()},
    }


def plan(load: Load, figures: Mapping[str, float], assumed: Assumptions | None = None) -> Plan:
    """What a load needs."""
    assumed = assumed or Assumptions()
    rates = rates_of(load, assumed)
    desk = _Side("desk", rates, figures, assumed)
    # One server with SQLite is the simplest; it is enough while neither the interpreter nor the write lock
    # is used up, and nobody notices when it is restarted.
    is_enough = (
        not load.is_redundant
        and desk.interpreters <= 1
        and desk.write_turn <= 1
        and desk.cores <= assumed.server_cores
    )
    side = desk if is_enough else _Side("team", rates, figures, assumed)
    needed = max(side.cores / assumed.server_cores, side.interpreters)
    servers = 1 if is_enough else max(2 if load.is_redundant else 1, math.ceil(needed) + load.is_redundant)
    training_ms = (
        figures[f"{side.name}, training, fixed"]
        + figures[f"{side.name}, training, an image"] * load.images_each
    )
    worker_seconds = load.trainings_a_day * training_ms / 1000
    worker_cores = worker_seconds / (assumed.working_hours * 3600) / assumed.planned_share
    stored_kb = (
        load.images_a_day * 365 * load.years * figures["team, upload, stored"]
        + load.predictions
        * load.stored_share
        / assumed.peak
        * assumed.working_hours
        * 3600
        * load.kept_days
        * figures["team, stored prediction, stored"]
    )
    megabits = sum(rates[name] for name in _WITH_IMAGE) * assumed.image_kb * 8 / 1000
    limits = {
        "the write lock of one database": side.write_turn,
        "the network of one proxy": megabits / assumed.network_megabits / assumed.planned_share,
    }
    if is_enough:
        limits |= {
            "the interpreter lock of one server": side.interpreters,
            "the processors of one server": side.cores / assumed.server_cores,
        }
    first_limit = max(limits, key=lambda one: limits[one])
    return Plan(
        rates=rates,
        server_cores=side.cores,
        interpreters=side.interpreters,
        database_cores=side.database_cores,
        worker_cores=worker_cores,
        servers=servers,
        machines=max(2 if load.is_redundant else 1, math.ceil(side.cores / assumed.server_cores)),
        workers=max(1, math.ceil(worker_cores)),
        database="SQLite" if is_enough else "PostgreSQL",
        databases=1 if is_enough else max(1, math.ceil(side.write_turn)),
        transactions=side.transactions,
        write_turn=side.write_turn,
        image_tb=stored_kb / 1e9,
        megabits=megabits,
        first_limit=first_limit,
        growth=1 / limits[first_limit] if limits[first_limit] else math.inf,
    )


_SCORING = ("prediction", "stored prediction")
_WITH_IMAGE = (*_SCORING, "upload", "download")


class _Side:
    """The loads of one profile. Those of interpreters and of the write lock are of the planned share."""

    def __init__(
        self, name: str, rates: Mapping[str, float], figures: Mapping[str, float], assumed: Assumptions
    ) -> None:
        self.name = name
        scoring = figures["decoding and scoring"]
        milliseconds = holding = database = 0.0
        self.transactions = 0.0
        turn = 0.0
        for operation, rate in rates.items():
            cost = figures[f"{name}, {operation}, server"]
            free = min(scoring, cost) if operation in _SCORING else 0.0
            milliseconds += rate * cost
            holding += rate * (cost - free) * assumed.interpreter_share
            # Transactions of both profiles are the same; they are counted where the database has a counter.
            written = rate * figures[f"team, {operation}, transactions"]
            self.transactions += written
            database_ms = figures[f"team, {operation}, database"] if name == "team" else 0.0
            database += rate * database_ms
            turn += written * (assumed.sync_ms + database_ms + cost - free)
        share = assumed.planned_share
        self.cores = milliseconds / 1000 / share
        self.interpreters = holding / 1000 / share
        self.database_cores = database / 1000 / share
        self.write_turn = turn / 1000 / share


def table(figures: Mapping[str, float]) -> str:
    """The table of docs/scale.md."""
    plans = {name: plan(load, figures) for name, load in LOADS.items()}
    planned = Assumptions.planned_share
    rows: list[tuple[str, list[str]]] = [
        ("people at the same time", [f"{load.people:,.0f}" for load in LOADS.values()]),
        (
            "predictions a second at the peak; of these stored",
            [f"{load.predictions:,.0f}; {load.stored_share:.0%}" for load in LOADS.values()],
        ),
        ("images uploaded a day", [f"{load.images_a_day:,.0f}" for load in LOADS.values()]),
        (
            "quick trainings a day; images of each",
            [f"{load.trainings_a_day:,.0f}; {load.images_each:,.0f}" for load in LOADS.values()],
        ),
        ("**server processes**", [str(one.servers) for one in plans.values()]),
        ("**machines** of 8 processors for them", [str(one.machines) for one in plans.values()]),
        ("of their processors, busy", [_number(one.server_cores * planned) for one in plans.values()]),
        ("**processors that train**", [str(one.workers) for one in plans.values()]),
        ("**databases**", [f"{one.databases} {one.database}" for one in plans.values()]),
        ("processors of the databases", [_database_cores(one) for one in plans.values()]),
        ("transactions that write, a second", [_number(one.transactions) for one in plans.values()]),
        (
            "seconds of write lock a second, at most",
            [f"{_number(one.write_turn * planned)} s" for one in plans.values()],
        ),
        ("**images and models** after two years", [_room(one.image_tb) for one in plans.values()]),
        ("network at the peak, Mbit/s", [_number(one.megabits) for one in plans.values()]),
        ("**next limit**", [one.first_limit for one in plans.values()]),
        ("which is reached at", [_reached(one) for one in plans.values()]),
    ]
    lines = [f"| | {' | '.join(plans)} |", "|---" * (len(plans) + 1) + "|"]
    lines += [f"| {what} | {' | '.join(values)} |" for what, values in rows]
    return "\n".join(lines) + "\n"


def _database_cores(one: Plan) -> str:
    return "" if one.database == "SQLite" else str(max(one.databases, math.ceil(one.database_cores)))


def _reached(one: Plan) -> str:
    if one.growth >= 1:
        return f"{_number(one.growth)} times the load"
    return f"{_number(one.growth * 100)} % of the load, in one account"


def _number(value: float) -> str:
    """Two significant digits: more would be noise."""
    if not 0 < value < math.inf:
        return str(value) if value else "0"
    digits = max(0, 1 - math.floor(math.log10(value)))
    return f"{round(value, 1 - math.floor(math.log10(value))):,.{digits}f}"


def _room(terabytes: float) -> str:
    return f"{_number(terabytes)} TB" if terabytes >= 1 else f"{_number(terabytes * 1000)} GB"


def page_table() -> str:
    """The table as the page has it now."""
    return PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.scale_model",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--costs", type=Path, default=FIGURES, help="results of `python -m bench costs`")
    parser.add_argument("--write", action="store_true", help="write the table into docs/scale.md")
    for one in fields(Load):
        flag = f"--{one.name.replace('_', '-')}"
        if one.type == "bool":
            parser.add_argument(flag, action="store_true", default=None)
        else:
            parser.add_argument(flag, type=_quantity, default=None)
    given = vars(parser.parse_args(arguments))
    figures = costs(given["costs"])
    chosen = {one.name: given[one.name] for one in fields(Load) if given[one.name] is not None}
    if given["write"]:
        before, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        PAGE.write_text(before + begin + table(figures) + END + rest.partition(END)[2], encoding="utf-8")
    elif chosen:
        found = plan(replace(Load(), **chosen), figures)
        for one in fields(Plan):
            print(f"{one.name:<16}{_shown(getattr(found, one.name))}")
    else:
        print(table(figures), end="")
    return 0


def _quantity(text: str) -> float:
    """A number from 0 on. Raises ValueError."""
    value = float(text)
    if not 0 <= value < math.inf:
        raise ValueError(text)
    return value


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_number(number)}/s" for name, number in value.items())
    return _number(value) if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
