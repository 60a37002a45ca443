"""The emulator about itself, and its keys, in its own API."""

import time
from datetime import UTC, datetime

from fastapi import Request
from starlette.responses import Response

from emulator import __version__
from emulator.api.control.test_kit.clock import shown_clock
from emulator.api.dependencies import BaseUrl, Caller, Emulator, version_of
from emulator.api.routing import OperationRouter, Result, response_of
from emulator.contract.control import information as shapes
from emulator.core.iterations import publishing
from emulator.core.quotas import tier_of
from emulator.core.rules import domains
from emulator.core.rules.tiers import Tier
from emulator.core.status import information
from emulator.settings import Settings

router = OperationRouter()


# In the threads of images, since measuring a large data folder takes a moment.
@router.own("GET", "/_emulator/info", work="images")
def get_information(
    request: Request, emulator: Emulator, caller: Caller, base_url: BaseUrl
) -> shapes.Information:
    """Keys of other resources see what concerns their resource, and the settings of the server."""
    state = request.app.state
    settings: Settings = state.settings
    if not hasattr(state, "data_size"):
        state.data_size = information.FolderSize(emulator.folder)
    return shapes.Information(
        version=__version__,
        started=datetime.fromtimestamp(state.started, UTC),
        uptime_seconds=max(0.0, time.time() - state.started),
        endpoint=base_url,
        prediction_resource_id=publishing.prediction_resource_id(
            settings.prediction_resource_id, caller.resource
        ),
        resource=caller.resource,
        role=caller.role.name if caller.role else None,
        uses_well_known_keys=settings.uses_default_keys,
        data_folder=str(emulator.folder) if caller.is_administrator else "",
        ephemeral=settings.ephemeral,
        data_bytes=state.data_size.bytes if caller.is_administrator else 0,
        disk_free_bytes=information.free_disk_bytes(emulator) if caller.is_administrator else None,
        memory_bytes=information.resident_bytes() if caller.is_administrator else None,
        counts=shapes.ObjectCounts(
            **information.counts(emulator, None if caller.is_administrator else caller.resource)._asdict()
        ),
        tier=_tier(tier_of(emulator, caller.resource), information.tier_use(emulator, caller.resource)),
        trainer=emulator.trainers.default,
        training_hour_seconds=emulator.training_hour_seconds,
        stored_prediction_days=emulator.kept_predictions.days,
        image_uri_hours=settings.image_uri_hours,
        request_log_capacity=settings.request_log,
        strict=settings.strict,
        clock=shown_clock(emulator),
        own_domains=[
            shapes.OwnDomain(
                id=domain.id,
                name=domain.name,
                type=domain.type,
                exportable_platforms=list(domain.platforms),
                description=domain.description or "",
            )
            for domain in domains.own()
        ],
    )


@router.own("GET", "/_emulator/keys")
def get_keys(request: Request) -> Response:
    settings: Settings = request.app.state.settings
    keys = shapes.ResourceKeys(
        training_keys=list(settings.training_keys), prediction_keys=list(settings.prediction_keys)
    )
    return response_of(Result(keys, headers={"Cache-Control": "no-store"}), version_of(request))


def _tier(tier: Tier, use: information.TierUse) -> shapes.TierInformation:
    limits = shapes.TierValues(
        projects=tier.projects,
        images_per_project=tier.images_per_project,
        tags_per_project=tier.tags_per_project,
        iterations_per_project=tier.iterations_per_project,
        predictions_per_month=tier.predictions_per_month,
    )
    return shapes.TierInformation(
        name=tier.name,
        limits=limits,
        use=shapes.TierValues(**use._asdict()),
        calls_per_second={str(kind): rate for kind, rate in tier.calls_per_second.items()},
    )
