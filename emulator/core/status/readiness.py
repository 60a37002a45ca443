"""Whether the emulator is ready: the database, the disk, and the threads that carry out jobs."""

import re
import shutil

from emulator.core.context import Context
from emulator.core.disk_space import KEPT_BYTES
from emulator.core.rules.limits import MEGABYTE
from emulator.store.database import DatabaseDamaged, DatabaseRefused, StoreUnreachable
from emulator.store.tables import JobKind

# The check that each kind of job belongs to, and what its thread does.
_RUNNERS = {
    JobKind.TRAINING: ("trainings", "carries out trainings"),
    JobKind.ADVANCED_TRAINING: ("trainings", "carries out advanced trainings"),
    JobKind.INSTANT_TRAINING: ("trainings", "carries out instant trainings"),
    JobKind.EXPORT: ("exports", "carries out exports"),
    JobKind.IMPORT: ("imports", "carries out imports"),
    JobKind.NOTIFICATION: ("notifications", "sends notifications"),
    JobKind.EVALUATION: ("evaluations", "evaluates iterations on test sets"),
    JobKind.DATA_SET: ("imports", "imports data sets"),
}
# What follows a colon or semicolon may have other addresses in it.
_DETAILS = re.compile(r"[:;] .*", re.DOTALL)
_SCHEDULER = re.compile(r"(?:the scheduler )?\w+://\S+")
CHECKS = ("database", "disk", "trainings", "exports", "imports", "notifications", "evaluations")


def cluster_state(context: Context) -> str | None:
    """Whether the cluster takes jobs: "ok", or why jobs wait; None without a cluster.

    An emulator whose jobs wait is ready: it answers all requests. Addresses are left out, since no key is
    needed to read it.
    """
    if context.cluster is None:
        return None
    problem = context.cluster.problem()
    return (
        "ok"
        if problem is None
        else f"trainings and exports wait: {_SCHEDULER.sub('the scheduler', _DETAILS.sub('', problem))}"
    )


def problems(context: Context) -> dict[str, str]:
    """Problems by name of the check; empty when the emulator is ready."""
    found = {}
    try:
        context.database.check()
    except DatabaseDamaged as damaged:
        found["database"] = f"cannot be read completely, because it is damaged: {damaged}"
    except DatabaseRefused as error:  # another server has taken it over
        found["database"] = f"cannot be written: {error}"
    except Exception as error:  # noqa: BLE001  (any error is the result of the check)
        found["database"] = f"cannot be read: {error}"
    try:
        free = shutil.disk_usage(context.folder).free
        if free < KEPT_BYTES:
            found["disk"] = f"the disk of the data folder has {free // MEGABYTE} MB left"
    except OSError as error:
        found["disk"] = f"the data folder is out of reach: {error.strerror}"
    try:
        context.blobs.check()
    except StoreUnreachable as error:
        found["disk"] = f"the object store is out of reach: {error}"
    for kind, is_alive in context.jobs.health().items():
        if not is_alive:
            name, what = _RUNNERS[kind]
            found.setdefault(name, f"the thread that {what} is not running")
    return found
