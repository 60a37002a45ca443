"""Situations and requests that several error cases share."""

from typing import Any

import httpx

from emulator.core.rules.tiers import TIERS
from tests.support.exported_models import classifier_zip
from tests.support.harness import Service

# Not allowed in names and descriptions.
CONTROL_CHARACTER = "\x07"


def patch(service: Service, path: str, **body: Any) -> httpx.Response:
    return service.send("PATCH", path, json=body)


def create_tag(service: Service, project: str, **parameters: str) -> httpx.Response:
    return service.send("POST", f"{project}/tags", params={"name": "new", **parameters})


def trained_iteration(service: Service) -> tuple[str, str]:
    """The paths of a project and of its iteration."""
    project, _, _ = service.trainable()
    return project, service.train(project)


def iteration_in_training(service: Service) -> tuple[str, str]:
    """The paths of a project and of its iteration, whose training has not ended."""
    project, _, _ = service.trainable()
    iteration = service.post(f"{project}/train")["id"]
    return project, f"{project}/iterations/{iteration}"


def set_limits(service: Service, **numbers: int) -> None:
    """Replace the tier by one with these limits."""
    service.context.tier = TIERS["f0"].__class__(**(vars(TIERS["f0"]) | {"calls_per_second": {}} | numbers))


def imported_iteration(service: Service) -> str:
    """The path of the iteration of an imported model."""
    imported = service.request(
        "POST", "/_emulator/models", params={"project": "imported"}, content=classifier_zip()
    ).json()
    return f"/projects/{imported['projectId']}/iterations/{imported['iterationId']}"
