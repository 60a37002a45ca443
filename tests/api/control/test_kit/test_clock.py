"""The clock in the control API, and what follows it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.store.tables import JobKind
from tests.support.harness import Service, expect, refusal, running_service, training_path
from tests.support.images import picture
from tests.support.importing import imported
from tests.support.scripting import Published

CLOCK = "/_emulator/clock"
START = "2026-03-04T05:06:07.123456Z"


@pytest.fixture
def free(tmp_path: Path) -> Iterator[Service]:
    yield from running_service(tmp_path / "data", tier="f0")


def change(service: Service, **body: Any) -> dict[str, Any]:
    changed: dict[str, Any] = expect(service.request("PUT", CLOCK, json=body))
    return changed


def advance(service: Service, *, days: float = 0, seconds: float = 0) -> dict[str, Any]:
    body = {"seconds": days * 86400 + seconds}
    advanced: dict[str, Any] = expect(service.request("POST", f"{CLOCK}/advance", json=body))
    return advanced


# --- the clock ----------------------------------------------------------------------------------------------


def test_the_time(service: Service) -> None:
    assert expect(service.request("GET", CLOCK)) == {"now": START, "frozen": False}


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("2030-01-31T12:00:00Z", "2030-01-31T12:00:00.000000Z"),
        ("2030-01-31T12:00:00.5+02:00", "2030-01-31T10:00:00.500000Z"),
        ("2030-01-31T12:00:00.1234567Z", "2030-01-31T12:00:00.123456Z"),
        ("2030-01-31T12:00", "2030-01-31T12:00:00.000000Z"),
        ("2030-01-31", "2030-01-31T00:00:00.000000Z"),
    ],
)
def test_the_clock_is_set(service: Service, written: str, shown: str) -> None:
    assert change(service, now=written) == {"now": shown, "frozen": False}
    service.project()
    assert service.get("/projects")[0]["created"].startswith(shown[:16])


def test_a_frozen_clock_is_advanced_and_continues(service: Service) -> None:
    assert change(service, frozen=True) == {"now": START, "frozen": True}
    service.clock.time = service.clock.time.replace(year=2027)
    assert advance(service, seconds=0.5) == {"now": "2026-03-04T05:06:07.623456Z", "frozen": True}
    assert change(service, frozen=False) == {"now": "2026-03-04T05:06:07.623456Z", "frozen": False}
    assert service.request("DELETE", CLOCK).status_code == 204
    assert expect(service.request("GET", CLOCK))["now"].startswith("2027-03-04T05:06:07")


def test_times_of_creation_are_in_order_while_the_clock_is_frozen(service: Service) -> None:
    change(service, now="2030-01-01T00:00:00Z", frozen=True)
    names = ["first", "second", "third"]
    for name in names:
        service.project(name)
    assert [project["name"] for project in service.get("/projects")] == names[::-1]
    assert {project["created"] for project in service.get("/projects")} == {"2030-01-01T00:00:00.000Z"}


def test_the_time_that_was_read_can_be_set(service: Service) -> None:
    change(service, frozen=True)
    service.project()
    shown = expect(service.request("GET", CLOCK))
    assert change(service, **shown) == shown


def test_a_reset_returns_to_real_time(service: Service) -> None:
    change(service, now="2030-01-01T00:00:00Z", frozen=True)
    service.request("POST", "/_emulator/reset")
    assert expect(service.request("GET", CLOCK)) == {"now": START, "frozen": False}
    assert change(service, now="2030-01-01T00:00:00Z", frozen=True)["now"] == "2030-01-01T00:00:00.000000Z"


def test_after_real_time_is_restored_the_clock_goes_on(free: Service) -> None:
    """Call rates are refilled, though the last calls were later."""
    advance(free, days=40)
    for _ in range(10):
        free.get("/domains")
    free.request("DELETE", CLOCK)
    for _ in range(10):
        free.get("/domains")
    assert free.request("GET", training_path("/domains")).status_code == 429


# --- refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"now": "2026-03-04T05:06:07Z"},
            "The clock cannot be set backwards, from 2026-03-04T05:06:07.123Z to",
        ),
        (
            {"now": "0001-01-01T00:00:00+14:00"},
            "now is '0001-01-01T00:00:00+14:00'; it must be a time in ISO",
        ),
        ({"now": "9999-12-31T23:59:59Z"}, "The clock cannot be set to a time after the year 8999."),
        ({"now": "9999-12-31T23:59:59-14:00"}, "now is '9999-12-31T23:59:59-14:00'"),
        (
            {"now": "tomorrow"},
            "now is 'tomorrow'; it must be a time in ISO 8601, such as 2030-01-31T12:00:00Z.",
        ),
        ({"now": ""}, "now is ''"),
        ({"now": 1900000000}, "now is "),
        ({"frozen": "yes"}, "frozen is "),
        ({"frozen": 1}, "frozen is "),
        ({}, "The request body must have now, frozen or both."),
        ({"time": "2030-01-31T12:00:00Z"}, "The request body has the unknown property 'time'."),
        ({"frozen": True, "now": "x"}, "now is 'x'"),
        ([], "The request body"),
    ],
)
def test_changes_that_are_refused(service: Service, body: Any, message: str) -> None:
    status, code, text = refusal(service.request("PUT", CLOCK, json=body))
    assert (status, code) == (400, "BadRequest")
    assert message in text
    assert expect(service.request("GET", CLOCK)) == {"now": START, "frozen": False}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"seconds": -1}', "The clock cannot be advanced by a negative number of seconds"),
        ('{"seconds": -1e300}', "The clock cannot be advanced by a negative number of seconds"),
        ('{"seconds": 1e300}', "after the year 8999"),
        ('{"seconds": 1e999}', ""),
        ('{"seconds": NaN}', "The request body is not JSON"),
        ('{"seconds": "60"}', "seconds is "),
        ('{"seconds": true}', "seconds is "),
        ("{}", "seconds is "),
        ('{"minutes": 1, "seconds": 0}', "unknown property 'minutes'"),
        ("", "The request body"),
    ],
)
def test_advances_that_are_refused(service: Service, body: str, message: str) -> None:
    status, code, text = refusal(service.request("POST", f"{CLOCK}/advance", content=body))
    assert (status, code) == (400, "BadRequest")
    assert message in text
    assert expect(service.request("GET", CLOCK)) == {"now": START, "frozen": False}


def test_a_training_key_is_required(service: Service) -> None:
    for method, path in (("GET", CLOCK), ("PUT", CLOCK), ("DELETE", CLOCK), ("POST", f"{CLOCK}/advance")):
        assert service.request(method, path, key=None).status_code == 401


# --- what follows the clock ---------------------------------------------------------------------------------


def test_image_uris_expire(service: Service) -> None:
    project = service.project()
    service.images(project, [picture()])
    uri = service.get(f"{project}/images")[0]["originalImageUri"]
    change(service, frozen=True)
    advance(service, seconds=86399)
    assert service.follow(uri).status_code == 200
    advance(service, seconds=2)
    assert service.follow(uri).status_code == 403
    assert service.follow(service.get(f"{project}/images")[0]["originalImageUri"]).status_code == 200


def test_stored_predictions_expire(service: Service) -> None:
    published = Published(service)
    published.predict()

    def stored() -> list[dict[str, Any]]:
        results: list[dict[str, Any]] = service.post(f"{published.project}/predictions/query", json={})[
            "results"
        ]
        return results

    advance(service, days=29.9)
    (prediction,) = stored()
    assert service.follow(prediction["originalImageUri"]).status_code == 200
    advance(service, days=0.2)
    assert stored() == []
    assert service.follow(prediction["originalImageUri"]).status_code == 404


def test_links_of_exports_expire(service: Service) -> None:
    iteration = service.exportable()
    uri = service.export(iteration, "ONNX")["downloadUri"]
    assert service.follow(uri).status_code == 200
    advance(service, days=1.1)
    assert service.follow(uri).status_code == 403


def test_tokens_of_exported_projects_expire(service: Service) -> None:
    project, _, _ = service.trainable()
    token = service.get(f"{project}/export")["token"]
    imported(service, token)
    advance(service, days=365)
    status, code, _ = service.refused("POST", "/projects/import", params={"token": token})
    assert (status, code) == (400, "BadRequestInvalidImportToken")


def test_a_quota_of_a_month_ends_with_the_month(free: Service) -> None:
    published = Published(free)
    with free.context.database.write() as session:
        from emulator.store.tables import Usage

        session.add(Usage(month="2026-03", predictions=10_000))
    response = free.predict(published.address, picture(70))
    assert response.status_code == 403
    change(free, now="2026-03-31T23:59:59Z")
    assert free.predict(published.address, picture(70)).status_code == 403
    change(free, now="2026-04-01T00:00:00Z")
    assert free.predict(published.address, picture(70)).status_code == 200


def test_call_rates_follow_a_frozen_clock(free: Service) -> None:
    change(free, frozen=True)
    for _ in range(10):
        free.get("/domains")
    assert free.request("GET", training_path("/domains")).status_code == 429
    advance(free, seconds=1)
    for _ in range(10):
        free.get("/domains")
    assert free.request("GET", training_path("/domains")).status_code == 429


def test_waiting_notifications_are_looked_at_when_the_clock_is_advanced(service: Service) -> None:
    notified: list[None] = []
    runner = service.runner(JobKind.NOTIFICATION)
    runner._thread.notify = lambda: notified.append(None)
    advance(service, seconds=60)
    assert notified == [None]
