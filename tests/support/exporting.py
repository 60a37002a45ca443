"""Helpers of tests of exports."""

from typing import Any
from urllib.parse import urlsplit

from tests.support.harness import Service, expect


def request_export(
    service: Service, iteration: str, platform: str, flavor: str | None = None, **more: Any
) -> Any:
    parameters = {"platform": platform} | ({"flavor": flavor} if flavor else {})
    return service.send("POST", f"{iteration}/export", params=parameters, **more)


def refusal_of(service: Service, iteration: str, **parameters: str) -> tuple[int, str, str]:
    return service.refused("POST", f"{iteration}/export", params=parameters)


def own(iteration: str) -> str:
    """The path of the emulator's own list of the exports of an iteration."""
    return f"/_emulator{iteration}/exports"


def details(service: Service, iteration: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = expect(service.request("GET", own(iteration)))
    return found


def left_over(service: Service) -> list[Any]:
    """Temporary files of exports."""
    return list((service.settings.data / "exports").glob("*"))


def fetched(service: Service, export: dict[str, Any]) -> bytes:
    parts = urlsplit(export["downloadUri"])
    response = service.request("GET", f"{parts.path}?{parts.query}", key=None)
    assert response.status_code == 200
    return response.content
