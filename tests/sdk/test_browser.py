"""Pages of other origins in Chromium: the browser samples of both JavaScript packages, and plain requests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.installed import JAVASCRIPT_FOLDER, javascript_sdk
from tests.support.browser import PageServer, chromium, page_server
from tests.support.harness import PREDICTION_KEY, RESOURCE_ID, TRAINING_KEY
from tests.support.images import picture
from tests.support.live_server import LiveServer

pytestmark = pytest.mark.slow

PUBLISHED = "Iteration1"
FOREIGN_HOST = "app.example"
SAMPLE_HEADER = "Ocp-Apim-Subscription-Key"
KEYS = {"training.html": TRAINING_KEY, "prediction.html": PREDICTION_KEY, "fetch.html": TRAINING_KEY}


@dataclass(frozen=True)
class World:
    """A page server, and a running emulator with a published iteration. settings: for the pages."""

    pages: PageServer
    settings: dict[str, str]

    def outcome(self, page: str, profile: Path, *, host: str = "localhost", **changes: str) -> Any:
        return self.pages.outcome(page, {**self.settings, **changes}, profile, host)


def published(live: LiveServer) -> dict[str, str]:
    project = live.trainable()
    iteration = live.wait_for_training(project, live.post(f"{project}/train")["id"])["id"]
    live.post(
        f"{project}/iterations/{iteration}/publish",
        params={"publishName": PUBLISHED, "predictionId": RESOURCE_ID},
    )
    return {"project": project.rpartition("/")[2], "iteration": iteration, "published": PUBLISHED}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    chromium()
    folder = tmp_path_factory.mktemp("images")
    (folder / "image.png").write_bytes(picture(100, "red"))
    folders = {
        "/": JAVASCRIPT_FOLDER / "browser",
        "/images/": folder,
        "/node_modules/": JAVASCRIPT_FOLDER / "node_modules",
    }
    with page_server(folders) as pages:
        live = LiveServer(
            tmp_path_factory.mktemp("data"),
            *("--url-allow", f"127.0.0.1:{pages.port}"),
            program="tests.support.stub_trainer_server",
        )
        try:
            image = f"http://127.0.0.1:{pages.port}/images/image.png"
            yield World(pages, {"endpoint": live.endpoint, "image": image, **published(live)})
        finally:
            live.kill()


@pytest.mark.parametrize(
    ("page", "header"),
    [
        ("training.html", SAMPLE_HEADER),
        ("training.html", "Training-Key"),
        ("prediction.html", SAMPLE_HEADER),
        ("prediction.html", "Prediction-Key"),
    ],
)
def test_the_sample_of_a_package(world: World, tmp_path: Path, page: str, header: str) -> None:
    javascript_sdk()
    result = world.outcome(page, tmp_path, header=header, key=KEYS[page])["result"]
    assert (result["project"], result["iteration"]) == (
        world.settings["project"],
        world.settings["iteration"],
    )
    assert {item["tagName"] for item in result["predictions"]} == {"red", "blue"}


@pytest.mark.parametrize("page", ["training.html", "prediction.html"])
def test_a_page_can_read_the_error_of_a_wrong_key(world: World, tmp_path: Path, page: str) -> None:
    javascript_sdk()
    error = world.outcome(page, tmp_path, header=SAMPLE_HEADER, key="wrong")["error"]
    assert error["status"] == 401
    assert "Access denied due to invalid subscription key" in str(error)


@pytest.mark.parametrize("page", ["training.html", "prediction.html"])
def test_a_page_can_read_the_errors_of_the_service(world: World, tmp_path: Path, page: str) -> None:
    javascript_sdk()
    image = "http://10.0.0.5/a.jpg"
    error = world.outcome(page, tmp_path, header=SAMPLE_HEADER, key=KEYS[page], image=image)["error"]
    assert error["status"] == 400
    assert error["body"]["code"] == "BadRequestImageUrl"


@pytest.mark.parametrize("page", ["prediction.html", "fetch.html"])
def test_a_page_of_an_unknown_origin_fails(world: World, tmp_path: Path, page: str) -> None:
    if page == "prediction.html":
        javascript_sdk()
    outcome = world.outcome(page, tmp_path, host=FOREIGN_HOST, header=SAMPLE_HEADER, key=KEYS[page])
    assert outcome["error"].get("status") is None


def test_requests_without_an_sdk(world: World, tmp_path: Path) -> None:
    image = f"http://localhost:{world.pages.port}/images/image.png"
    result = world.outcome("fetch.html", tmp_path, key=TRAINING_KEY, image=image)["result"]
    assert result["statuses"] == [200, 200, 200, 200, 200, 204, 401, 404]
    assert len(result["requestId"]) == 36
    assert result["refusal"]["error"]["code"] == "401"
    assert result["bytes"] > 0


def test_a_page_of_an_origin_of_the_option(world: World, tmp_path: Path) -> None:
    origin = f"http://{FOREIGN_HOST}:{world.pages.port}"
    live = LiveServer(tmp_path / "data", "--cors-origin", origin)
    try:
        outcome = world.outcome(
            "fetch.html",
            tmp_path / "profile",
            host=FOREIGN_HOST,
            endpoint=live.endpoint,
            key=TRAINING_KEY,
            image=f"{origin}/images/image.png",
        )
        assert outcome["result"]["statuses"] == [200, 200, 200, 200, 200, 204, 401, 404]
    finally:
        live.kill()
