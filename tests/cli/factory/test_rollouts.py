"""The commands `rollout start`, `change`, `status`, `finish` and `back`, against a running emulator."""

from __future__ import annotations

import json

import httpx

from emulator.cli.factory.rollouts import lines_of
from tests.support.harness import PREDICTION_KEY, RESOURCE_ID, TRAINING_KEY, wait_until
from tests.support.images import picture
from tests.support.program import Start, run


def train(client: httpx.Client, path: str) -> str:
    """The id of another iteration of a project."""
    made = client.post(f"{path}/train", params={"forceTrain": "true"}).json()["id"]
    wait_until(
        lambda: client.get(f"{path}/iterations/{made}").json()["status"] == "Completed", "the training"
    )
    return str(made)


def test_a_roll_out_from_the_command_line(start: Start) -> None:
    port = str(start("--ephemeral", "--trainer", "instant").port)
    endpoint = f"http://127.0.0.1:{port}"

    def rollout(command: str, *arguments: str) -> str:
        more = ("--project", "parts", "--published", "live/1", "--port", port)
        ran = run("rollout", command, *arguments, *more)
        assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
        return ran.stdout

    def refused(command: str, *arguments: str) -> str:
        more = ("--project", "parts", "--published", "live/1", "--port", port)
        ran = run("rollout", command, *arguments, *more)
        assert (ran.returncode != 0, ran.stdout) == (True, "")
        return ran.stderr.removeprefix("custom-vision-emulator: ").rstrip()

    headers = {"Training-Key": TRAINING_KEY, "Prediction-Key": PREDICTION_KEY}
    with httpx.Client(base_url=endpoint, headers=headers, trust_env=False) as client:
        project = client.post("/customvision/v3.3/training/projects", params={"name": "parts"}).json()
        path = f"/customvision/v3.3/training/projects/{project['id']}"
        for colour in ("red", "blue"):
            tag = client.post(f"{path}/tags", params={"name": colour}).json()["id"]
            for number in range(5):
                client.post(f"{path}/images", params={"tagIds": tag}, content=picture(number, colour))
        first, second = train(client, path), train(client, path)
        parameters = {"publishName": "live/1", "predictionId": RESOURCE_ID}
        client.post(f"{path}/iterations/{first}/publish", params=parameters)

        def answering() -> str:
            address = f"/customvision/v3.1/prediction/{project['id']}/classify/iterations/live%2F1/image"
            sent = {"Content-Type": "application/octet-stream"}
            return str(client.post(address, content=picture(50), headers=sent).json()["iteration"])

        assert rollout("status") == f"live/1: Iteration 1 ({first})\n"
        started = rollout("start", "--iteration", "Iteration 2").splitlines()
        assert started[:2] == [
            f"live/1: Iteration 1 ({first})",
            "  roll-out   Iteration 2, shadow, running",
        ]
        assert answering() == first
        assert "50% of the requests, running" in rollout("change", "--percent", "50")
        rollout("change", "--percent", "100")
        assert answering() == second
        shown = json.loads(rollout("status", "--json"))
        assert shown[0]["rollout"]["candidate"]["predictionCount"] >= 1
        finished = rollout("finish").splitlines()
        assert finished[:2] == [f"live/1: Iteration 2 ({second})", f"  former     Iteration 1 ({first})"]
        assert answering() == second
        assert rollout("back", "--replacing", second).startswith(f"live/1: Iteration 1 ({first})\n")
        assert answering() == first
        assert refused("back") == "There is no former iteration of 'live/1' to return to."
        assert refused("start", "--iteration", "x") == "there is no iteration 'x'"
        assert "either --percent or --shadow" in refused("change")


def test_all_figures_are_printed() -> None:
    side = {
        "iterationId": "i",
        "iterationName": "Iteration 1",
        "predictionCount": 10,
        "failureCount": 0,
        "meanConfidence": 0.9,
        "meanMilliseconds": 5.0,
        "maxMilliseconds": 7.25,
    }
    name = {
        "publishName": "live",
        "iteration": None,
        "formerIteration": {"id": "i", "name": "Iteration 1"},
        "rollout": {
            "status": "Replaced",
            "percent": None,
            "current": side,
            "candidate": {**side, "iterationName": None, "failureCount": 2, "meanConfidence": None},
            "comparison": {
                "imageCount": 8,
                "agreement": 0.75,
                "matchedBoxCount": 4,
                "currentBoxCount": 1,
                "candidateBoxCount": 2,
                "droppedImageCount": 3,
            },
        },
    }
    objects = "objects: 4 of both, 1 of the published one alone, 2 of the new one alone"
    assert list(lines_of(name)) == [
        "live: no iteration",
        "  former     Iteration 1 (i)",
        "  roll-out   (deleted), shadow, ended by another publication",
        "  published  10 images, mean confidence 0.900, 5.0 ms each, at most 7.2",
        "  new        10 images, 5.0 ms each, at most 7.2, 2 failures",
        f"  compared   8 images, 75.0% with the same result, {objects}, 3 left out",
    ]
