"""The emulator's control API, an object for each of its areas.

Bodies and results are those of the control API, whose documentation has their properties:
``/_emulator/docs`` of a running emulator.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from emulator.testing.control_client import ControlClient, camel_case, segment

Json = dict[str, Any]


class EmulatorControl:
    """Controls a running emulator. Each method raises EmulatorError with the message of a refused request.

    Args:
        certificate: a file with the certificate (PEM) that an https endpoint has, or with its authority's.
    """

    def __init__(
        self, endpoint: str, training_key: str, *, certificate: str | Path | None = None, timeout: float = 60
    ) -> None:
        self.client = ControlClient(endpoint, training_key, certificate=certificate, timeout=timeout)
        self.trainer = TrainerControl(self.client)
        self.scripts = ScriptsControl(self.client)
        self.choreography = ChoreographyControl(self.client)
        self.faults = FaultsControl(self.client)
        self.clock = ClockControl(self.client)
        self.snapshots = SnapshotsControl(self.client)
        self.requests = RequestsControl(self.client)

    def reset(self) -> None:
        """Delete everything: projects, images, models, predictions, scripts, faults, the request log."""
        self.client.send("POST", "/_emulator/reset")


class TrainerControl:
    """Which trainer the next trainings use: "instant" or "real"."""

    def __init__(self, client: ControlClient) -> None:
        self._client = client

    def get(self, project_id: str | None = None) -> str:
        """The trainer of all projects, or of one."""
        return str(self._client.send("GET", _of_project(project_id, "trainer"))["trainer"])

    def set(self, trainer: str, project_id: str | None = None) -> None:
        """Set the trainer of all projects that have none of their own, or of one project."""
        self._client.send("PUT", _of_project(project_id, "trainer"), {"trainer": trainer})

    def clear(self, project_id: str) -> None:
        """Let a project use the trainer of all projects again."""
        self._client.send("DELETE", _of_project(project_id, "trainer"))


class ScriptsControl:
    """Scripted predictions: those of a published name, instead of its model's."""

    def __init__(self, client: ControlClient) -> None:
        self._client = client

    def add(
        self,
        predictions: Mapping[str, float] | Sequence[Json],
        *,
        project_id: str | None = None,
        published_name: str | None = None,
        iteration_id: str | None = None,
        image: bytes | None = None,
        times: int | None = None,
    ) -> str:
        """Add a script; returns its id.

        Args:
            predictions: probabilities by tag name, or the control API's list with tags and boxes.
            image: only for this image, in the bytes that are sent.
            times: the number of predictions that the script is for; None for all.
        """
        if isinstance(predictions, Mapping):
            predictions = [{"tagName": name, "probability": value} for name, value in predictions.items()]
        contents = None if image is None else {"contents": base64.b64encode(image).decode()}
        body = _without_none(
            projectId=project_id,
            publishedName=published_name,
            iterationId=iteration_id,
            image=contents,
            times=times,
            predictions=list(predictions),
        )
        return str(self._client.send("POST", "/_emulator/predictionScripts", body)["id"])

    def get(self, script_id: str) -> Json:
        """A script with the numbers `used` and `remaining`."""
        return _json(self._client.send("GET", f"/_emulator/predictionScripts/{segment(script_id)}"))

    def list(self) -> Json:
        """All scripts, and whether all are used up: `allUsed`."""
        return _json(self._client.send("GET", "/_emulator/predictionScripts"))

    def all_used(self) -> bool:
        """Whether all scripts are used up."""
        return bool(self.list()["allUsed"])

    def remove(self, script_id: str) -> None:
        """Remove a script."""
        self._client.send("DELETE", f"/_emulator/predictionScripts/{segment(script_id)}")

    def clear(self) -> None:
        """Remove all scripts."""
        self._client.send("DELETE", "/_emulator/predictionScripts")


class ChoreographyControl:
    """When trainings, exports and imports end, and which states clients see until then."""

    def __init__(self, client: ControlClient) -> None:
        self._client = client

    def get(self, project_id: str | None = None) -> Json:
        """The choreography of all projects, or of one."""
        return _json(self._client.send("GET", _of_project(project_id, "choreography")))

    def set(
        self,
        *,
        training: Json | None = None,
        export: Json | None = None,
        project_import: Json | None = None,
        project_id: str | None = None,
    ) -> None:
        """Replace the choreography of all projects, or of one.

        Args:
            training, export, project_import: for example ``{"complete": "afterPolls", "polls": 3}``,
                ``{"complete": "afterSeconds", "seconds": 60, "states": ["Queued", "Training"]}`` or
                ``{"failure": {"code": "ErrorUnknown", "message": "..."}}``.
        """
        body = _without_none(training=training, export=export, **{"import": project_import})
        self._client.send("PUT", _of_project(project_id, "choreography"), body)

    def clear(self, project_id: str | None = None) -> None:
        """Let everything end when its work has ended."""
        self._client.send("DELETE", _of_project(project_id, "choreography"))


class FaultsControl:
    """What happens to the next calls of operations."""

    def __init__(self, client: ControlClient) -> None:
        self._client = client

    def add(self, operation: str, *steps: Json, client: str | None = None, **more: Any) -> str:
        """Add a scenario; returns its id.

        Args:
            operation: a name such as "CreateTag", or "*" for all.
            steps: for example ``{"kind": "throttle", "retryAfter": 2, "times": 3}``; optional with `random`.
            client: only calls whose header X-Emulator-Client has this value.
            more: further properties of the control API: `project_id`, `random`.
        """
        named = {camel_case(name): value for name, value in more.items()}
        body = _without_none(operation=operation, client=client, steps=[*steps] or None, **named)
        return str(self._client.send("POST", "/_emulator/faults", body)["id"])

    def get(self, scenario_id: str) -> Json:
        """A scenario whose steps have the numbers `used` and `remaining`."""
        return _json(self._client.send("GET", f"/_emulator/faults/{segment(scenario_id)}"))

    def list(self) -> Json:
        """All scenarios, and whether all are used up: `allUsed`."""
        return _json(self._client.send("GET", "/_emulator/faults"))

    def all_used(self) -> bool:
        """Whether all steps of all scenarios are used up."""
        return bool(self.list()["allUsed"])

    def remove(self, scenario_id: str) -> None:
        """Remove a scenario."""
        self._client.send("DELETE", f"/_emulator/faults/{segment(scenario_id)}")

    def clear(self) -> None:
        """Remove all scenarios."""
        self._client.send("DELETE", "/_emulator/faults")


class ClockControl:
    """The emulator's clock: image URIs, tokens, stored predictions and quotas depend on it."""

    def __init__(self, client: ControlClient) -> None:
        self._client = client

    def get(self) -> Json:
        """The time, `now`, and whether it is `frozen`."""
        return _json(self._client.send("GET", "/_emulator/clock"))

    def now(self) -> datetime:
        """The time of the clock, in UTC."""
        return datetime.fromisoformat(self.get()["now"]).astimezone(UTC)

    def set(self, now: datetime | str, *, frozen: bool | None = None) -> None:
        """Set the time; a `datetime` without a time zone is in UTC."""
        self._client.send("PUT", "/_emulator/clock", _without_none(now=_time(now), frozen=frozen))

    def freeze(self, now: datetime | str | None = None) -> None:
        """Stop the clock, at a time or where it is."""
        time = None if now is None else _time(now)
        self._client.send("PUT", "/_emulator/clock", _without_none(now=time, frozen=True))

    def advance(self, seconds: float | timedelta) -> None:
        """Move the clock forward."""
        if isinstance(seconds, timedelta):
            seconds = seconds.total_seconds()
        self._client.send("POST", "/_emulator/clock/advance", {"seconds": seconds})

    def reset(self) -> None:
        """Let the clock show real time again."""
        self._client.send("DELETE", "/_emulator/clock")


class SnapshotsControl:
    """Snapshots of everything that is stored, by name."""

    def __init__(self, client: ControlClient) -> None:
        self._client = client

    def save(self, name: str) -> Json:
        """Save the state under a name; replaces an earlier snapshot of the name."""
        return _json(self._client.send("PUT", f"/_emulator/snapshots/{segment(name)}"))

    def restore(self, name: str) -> Json:
        """Replace the state by that of a snapshot."""
        return _json(self._client.send("POST", f"/_emulator/snapshots/{segment(name)}/restore"))

    def list(self) -> list[Json]:
        """All snapshots."""
        return [_json(one) for one in self._client.send("GET", "/_emulator/snapshots")]

    def remove(self, name: str) -> None:
        """Delete a snapshot."""
        self._client.send("DELETE", f"/_emulator/snapshots/{segment(name)}")

    def download(self, name: str) -> bytes:
        """A snapshot as a zip file."""
        return bytes(self._client.send("GET", f"/_emulator/snapshots/{segment(name)}/archive"))

    def upload(self, name: str, archive: bytes) -> Json:
        """Store a downloaded snapshot under a name."""
        return _json(self._client.send("PUT", f"/_emulator/snapshots/{segment(name)}/archive", archive))


class RequestsControl:
    """The log of the requests that the emulator received."""

    def __init__(self, client: ControlClient) -> None:
        self._client = client

    def list(self, **filters: Any) -> list[Json]:
        """The last requests, the newest first.

        Args:
            filters: of the control API, for example ``operation="CreateTag"``, ``status="4xx"``,
                ``method="POST"``, ``path="/tags"``, ``limit=5``.
        """
        page = self._client.send("GET", "/_emulator/requests", **_filters(filters))
        return [_json(one) for one in page["requests"]]

    def count(self, **filters: Any) -> int:
        """The number of requests for which the filters hold.

        Args:
            filters: as for `list`; ``at_least=2, timeout_seconds=5`` waits for at least 2 requests, up to 5
                seconds.
        """
        return int(self._client.send("GET", "/_emulator/requests/count", **_filters(filters))["count"])

    def clear(self) -> None:
        """Clear the log."""
        self._client.send("DELETE", "/_emulator/requests")

    def usage(self) -> Json:
        """Which operations of which versions were used, and which of their behavior is only inferred."""
        return _json(self._client.send("GET", "/_emulator/usage"))

    def usage_report(self) -> str:
        """The same as a text to read."""
        return bytes(self._client.send("GET", "/_emulator/usage", format="text")).decode()


def _of_project(project_id: str | None, area: str) -> str:
    return f"/_emulator/{area}" if project_id is None else f"/_emulator/projects/{segment(project_id)}/{area}"


def _filters(given: Json) -> Json:
    """Filters as query parameters, in the spelling of Python or of the API."""
    texts = {True: "true", False: "false"}
    return {
        camel_case(name): texts[value] if isinstance(value, bool) else value for name, value in given.items()
    }


def _without_none(**properties: Any) -> Json:
    return {name: value for name, value in properties.items() if value is not None}


def _time(value: datetime | str) -> str:
    if isinstance(value, str):
        return value
    aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return aware.isoformat().replace("+00:00", "Z")


def _json(value: Any) -> Json:
    assert isinstance(value, dict)
    return value
