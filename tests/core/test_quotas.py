"""Limits of the pricing tiers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.core.rules.limits import IMAGES_PER_BATCH
from emulator.core.rules.tiers import TIERS, Tier
from emulator.store.tables import JobKind
from tests.support.harness import NEWEST, Service, expect, running_service, training_path
from tests.support.images import picture, pictures


@pytest.fixture
def free(tmp_path: Path) -> Iterator[Service]:
    yield from running_service(tmp_path / "data", tier="f0")


@pytest.fixture
def standard(tmp_path: Path) -> Iterator[Service]:
    yield from running_service(tmp_path / "data", tier="s0")


def shrink(service: Service, **limits: Any) -> None:
    """Lower some limits of the tier, so that a test need not create thousands of objects."""
    values = {name: getattr(service.context.tier, name) for name in Tier.__dataclass_fields__}
    service.context.tier = Tier(**{**values, **limits})


def calm(service: Service) -> None:
    """Let a second pass, after which earlier calls no longer count."""
    service.clock.advance(seconds=1)


def test_the_documented_numbers() -> None:
    f0, s0, unlimited = TIERS["f0"], TIERS["s0"], TIERS["unlimited"]
    assert [f0.projects, s0.projects, unlimited.projects] == [2, 100, None]
    assert [f0.images_per_project, s0.images_per_project, unlimited.images_per_project] == [
        5_000,
        100_000,
        None,
    ]
    assert [f0.tags_per_project, s0.tags_per_project, unlimited.tags_per_project] == [50, 500, None]
    assert [f0.iterations_per_project, s0.iterations_per_project, unlimited.iterations_per_project] == [
        20,
        20,
        None,
    ]
    assert [f0.predictions_per_month, s0.predictions_per_month] == [10_000, None]
    assert list(f0.calls_per_second.values()) == [2, 2, 2, 10]
    assert list(s0.calls_per_second.values()) == [10, 10, 20, 10]
    assert not unlimited.calls_per_second


def test_projects(free: Service) -> None:
    first = free.project()
    free.project()
    status, code, message = free.refused("POST", "/projects", params={"name": "third"})
    assert (status, code) == (400, "BadRequestExceedProjectLimit")
    assert message == "The pricing tier F0 allows 2 projects."
    free.delete(first)
    free.project()


def test_projects_by_import(free: Service) -> None:
    project = free.project()
    token = free.get(f"{project}/export")["token"]
    free.post("/projects/import", params={"token": token})
    refused = free.refused("POST", "/projects/import", params={"token": token})
    assert refused[:2] == (400, "BadRequestExceedProjectLimit")
    assert free.rows("SELECT count(*) FROM job") == [(1,)]


@pytest.mark.parametrize(
    ("limit", "code"),
    [
        ({"images_per_project": 9}, "BadRequestExceededQuota"),
        ({"tags_per_project": 1}, "BadRequestExceedTagPerProjectLimit"),
    ],
)
def test_an_import_that_is_too_large(free: Service, limit: dict[str, int], code: str) -> None:
    project, _, _ = free.trainable()
    token = free.get(f"{project}/export")["token"]
    copy = free.post("/projects/import", params={"token": token})
    shrink(free, **limit)
    free.runner(JobKind.IMPORT).run_waiting()
    assert free.get(f"/projects/{copy['id']}")["status"] == "Failed"
    free.delete(f"/projects/{copy['id']}")
    refused = free.refused("POST", "/projects/import", params={"token": token})
    assert refused[:2] == (400, code)


def test_tags(free: Service) -> None:
    project = free.project()
    for number in range(50):
        free.clock.advance(seconds=1)
        free.tag(project, f"tag {number}")
    status, code, message = free.refused("POST", f"{project}/tags", params={"name": "one more"})
    assert (status, code) == (400, "BadRequestExceedTagPerProjectLimit")
    assert message == "The pricing tier F0 allows 50 tags in a project."
    free.delete(f"{project}/tags/{free.get(f'{project}/tags')[0]['id']}")
    free.tag(project, "one more")


def test_images(free: Service) -> None:
    shrink(free, images_per_project=5)
    project = free.project()
    free.images(project, pictures(3))
    items = free.upload(project, [picture(0), *pictures(3, start=10)])
    # A duplicate does not count.
    assert [item["status"] for item in items] == ["OKDuplicate", "OK", "OK", "ErrorLimitExceed"]
    assert free.get(f"{project}/images/count") == 5
    assert free.blobs() == free.referenced_blobs()
    free.delete(f"{project}/images", params={"imageIds": items[0]["image"]["id"]})
    free.images(project, pictures(1, start=20))


def test_as_many_images_as_one_wants(service: Service) -> None:
    project = service.project()
    service.images(project, pictures(IMAGES_PER_BATCH))
    for number in range(60):
        service.tag(project, f"tag {number}")


def test_iterations(free: Service) -> None:
    shrink(free, iterations_per_project=2)
    project, _, _ = free.trainable()
    first = free.train(project)
    free.train(project, params={"forceTrain": "true"})
    calm(free)
    status, code, message = free.refused("POST", f"{project}/train", params={"forceTrain": "true"})
    assert (status, code) == (400, "BadRequestExceedIterationPerProjectLimit")
    assert message == "The pricing tier F0 allows 2 iterations in a project."
    free.delete(first)
    free.train(project, params={"forceTrain": "true"})


# --- calls a second -----------------------------------------------------------------------------------------


def throttled(service: Service, method: str, path: str, **more: Any) -> dict[str, Any]:
    response = service.request(method, path, **more)
    assert response.status_code == 429, response.text
    assert response.headers["Retry-After"] == "1"
    assert list(response.json()) == ["error"]
    return dict(response.json()["error"])


def test_other_calls(free: Service) -> None:
    for _ in range(10):
        free.get("/projects")
    assert throttled(free, "GET", training_path("/domains", "v3.3")) == {
        "code": "429",
        "message": (
            "Requests to the GetDomains Operation under Custom_Vision_Training_3.3 have exceeded rate limit "
            "of your current Custom_Vision.Training F0 pricing tier. Please retry after 1 second. "
            "To increase your rate limit switch to a paid tier."
        ),
    }
    free.clock.advance(seconds=0.1)
    free.get("/domains")
    throttled(free, "GET", training_path("/domains", NEWEST))
    free.clock.advance(seconds=60)
    for _ in range(10):
        free.get("/domains")
    throttled(free, "GET", training_path("/domains", NEWEST))


def test_who_is_throttled_has_changed_nothing(free: Service) -> None:
    for _ in range(10):
        free.get("/domains")
    throttled(free, "POST", training_path("/projects?name=x"))
    calm(free)
    assert free.get("/projects") == []


def test_a_wrong_key_and_an_unknown_route_cost_nothing(free: Service) -> None:
    for _ in range(20):
        assert free.request("GET", training_path("/projects"), key="wrong").status_code == 401
        assert free.request("GET", training_path("/nowhere")).status_code == 404
        assert free.request("GET", "/_emulator/health/live", key=None).status_code == 200
    free.get("/projects")


def test_trainings(free: Service) -> None:
    project, _, _ = free.trainable()
    for _ in range(2):
        free.send("POST", f"{project}/train")
    message = throttled(free, "POST", training_path(f"{project}/train"))["message"]
    assert message.startswith(
        "Requests to the TrainProject Operation under Custom_Vision_Training_3.4-preview have"
    )
    free.get(project)  # the kinds do not count for each other


@pytest.mark.parametrize("suffix", ["/image", "/image/nostore"])
def test_predictions(free: Service, suffix: str) -> None:
    project, _, _ = free.trainable()
    address = free.publish(free.train(project))
    for number in range(2):
        expect(free.predict(address, picture(number), suffix))
    response = free.predict(address, picture(3), suffix)
    operation = "ClassifyImage" if suffix == "/image" else "ClassifyImageWithNoStore"
    assert response.status_code == 429
    assert response.json()["error"]["message"].startswith(
        f"Requests to the {operation} Operation under Custom_Vision_Prediction_3.1 have exceeded rate limit "
        "of your current Custom_Vision.Prediction F0 pricing tier."
    )
    other = "/image" if suffix == "/image/nostore" else "/image/nostore"
    expect(free.predict(address, picture(4), other))


def test_a_paid_tier(standard: Service) -> None:
    project, _, _ = standard.trainable()
    address = standard.publish(standard.train(project))
    calm(standard)
    for number in range(20):
        expect(standard.predict(address, picture(number), "/image/nostore"))
    error = standard.predict(address, picture(1), "/image/nostore").json()["error"]
    assert error["message"].endswith("Custom_Vision.Prediction S0 pricing tier. Please retry after 1 second.")


def test_no_tier_no_limit(service: Service) -> None:
    project, _, _ = service.trainable()
    address = service.publish(service.train(project))
    for number in range(40):
        service.get("/projects")
        expect(service.predict(address, picture(number), "/image/nostore"))
    assert service.rows("SELECT count(*) FROM usage") == [(0,)]


# --- predictions a month ------------------------------------------------------------------------------------


def test_a_month_of_predictions(free: Service) -> None:
    shrink(free, predictions_per_month=3, calls_per_second={})
    project, _, _ = free.trainable()
    address = free.publish(free.train(project))
    calm(free)
    expect(free.predict(address, picture(1)))
    assert free.predict(address, b"no picture").status_code == 400  # costs nothing
    expect(free.predict(address, picture(2), "/image/nostore"))
    free.restart()
    shrink(free, predictions_per_month=3, calls_per_second={})
    calm(free)
    expect(free.predict(address, picture(3)))
    calm(free)
    response = free.predict(address, picture(4))
    assert response.status_code == 403
    assert response.json() == {
        "error": {
            "code": "403",
            "message": (
                "Out of call volume quota for Custom_Vision.Prediction F0 pricing tier. "
                "Please retry after 28 days. To increase your call volume switch to a paid tier."
            ),
        }
    }
    free.clock.advance(days=28)
    expect(free.predict(address, picture(4)))


def test_at_the_end_of_a_year(free: Service) -> None:
    shrink(free, predictions_per_month=0)
    project, _, _ = free.trainable()
    address = free.publish(free.train(project))
    free.clock.advance(days=302, hours=12)  # 31 December
    message = free.predict(address, picture(1)).json()["error"]["message"]
    assert "Please retry after 1 day. " in message
