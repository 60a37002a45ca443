"""Blobs without a row: moved to the trash, back when rows return, and deleted after a day."""

import logging
import os
import time

import pytest

from emulator.core import blob_sweep
from tests.support.harness import Service, expect, wait_until
from tests.support.images import pictures


def orphans(service: Service, count: int = 3) -> set[str]:
    """The names of new blobs without a row."""
    return {service.context.blobs.put(b"orphan %d" % number) for number in range(count)}


def trash(service: Service) -> set[str]:
    return set(service.context.blobs.trash.names())


def start_after_a_kill(service: Service) -> None:
    """The start of the application, until its sweep has ended."""
    blob_sweep.mark_unclean(service.context.folder)
    blob_sweep.bring_back(service.context)
    blob_sweep._clean_up(service.context, is_unclean=True)


def test_blobs_without_a_row_are_moved_and_logged(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    project = service.project()
    service.images(project, pictures(3))
    before, lost = service.blobs(), orphans(service)
    blob_sweep.sweep_all(service.context)
    assert (service.blobs(), trash(service)) == (before, lost)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "3 files (24 bytes)" in record.getMessage()
    assert service.context.blobs.trash.place in record.getMessage()
    caplog.clear()
    blob_sweep.sweep_all(service.context)
    assert caplog.text == ""


def test_the_trash_is_deleted_after_a_day_of_the_clock(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    lost = orphans(service)
    start_after_a_kill(service)
    service.clock.advance(hours=23)
    later = {service.context.blobs.put(b"later")}
    start_after_a_kill(service)
    assert trash(service) == lost | later
    service.clock.advance(hours=2)
    caplog.clear()
    start_after_a_kill(service)
    assert trash(service) == later
    assert "3 files (24 bytes)" in caplog.text
    service.clock.advance(days=30)
    start_after_a_kill(service)
    assert trash(service) == set()
    assert not (service.settings.data / "trash").exists()


def test_blobs_come_back_with_their_rows_even_when_they_are_older_than_a_day(service: Service) -> None:
    project = service.project()
    service.images(project, pictures(4))
    before = service.blobs()
    for name in before:
        service.context.blobs.move_to_trash(name, service.clock.now())
    orphan = orphans(service)
    blob_sweep.sweep_all(service.context)
    assert service.blobs() == set()
    service.clock.advance(days=2)
    # One of them was uploaded again meanwhile.
    service.context.blobs.put(pictures(1)[0])
    start_after_a_kill(service)
    assert service.blobs() == before
    assert trash(service).isdisjoint(before | orphan)
    for image in service.get(f"{project}/images"):
        assert service.follow(image["originalImageUri"]).status_code == 200


def test_rows_that_a_client_deletes_delete_their_blobs_at_once(service: Service) -> None:
    project = service.project()
    ids = service.images(project, pictures(2))
    service.delete(f"{project}/images", params={"imageIds": ids[0], "allIterations": "true"})
    assert len(service.blobs()) == 1
    assert trash(service) == set()
    assert not (service.settings.data / "trash").exists()


def test_a_reset_deletes_the_trash_too(service: Service) -> None:
    orphans(service)
    blob_sweep.sweep_all(service.context)
    assert service.request("POST", "/_emulator/reset").status_code == 204
    wait_until(lambda: not list(service.settings.data.glob("trash*")), "the deletion")


def test_nothing_is_deleted_while_the_database_is_damaged(service: Service) -> None:
    project = service.project()
    (image,) = service.images(project, pictures(1))
    lost = orphans(service)
    blob_sweep.sweep_all(service.context)
    more = {service.context.blobs.put(b"more")}
    service.context.database.note_damage("malformed")
    service.clock.advance(days=2)
    start_after_a_kill(service)
    service.delete(f"{project}/images", params={"imageIds": image})
    assert trash(service) == lost
    assert len(service.blobs()) == 2
    assert more < service.blobs()


def test_unfinished_files_go_by_their_age_at_any_start(service: Service) -> None:
    folder = service.settings.data
    name = service.context.blobs.put(b"x")
    now = time.time()
    parents = (folder, service.context.blobs.path(name).parent)
    for parent in parents:
        for file, age in ((".new-old", 7200), (".new-young", 10)):
            (parent / file).write_bytes(b"half")
            os.utime(parent / file, (now - age, now - age))
    service.restart()
    service.parts.start()
    wait_until(lambda: not any((parent / ".new-old").exists() for parent in parents), "both")
    assert all((parent / ".new-young").exists() for parent in parents)
    assert service.context.blobs.exists(name)
    assert expect(service.request("GET", "/_emulator/health/live", key=None)) == {"status": "live"}
