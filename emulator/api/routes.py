"""All routes, in the order in which they are matched."""

from fastapi import FastAPI
from starlette.routing import Route

from emulator.api.control import health
from emulator.api.downloads import archives, export_files, images
from emulator.api.lazy import LazyRoutes
from emulator.api.prediction import classify, detect
from emulator.api.training import (
    artifacts,
    domains,
    exports,
    image_tags,
    iterations,
    performance,
    projects,
    quick_test,
    regions,
    stored_predictions,
    suggestions,
    tags,
    training,
)
from emulator.api.training import images as training_images

_GROUPS = (
    domains,
    projects,
    tags,
    training_images,
    image_tags,
    regions,
    suggestions,
    training,
    iterations,
    performance,
    exports,
    quick_test,
    stored_predictions,
    artifacts,
    classify,
    detect,
    archives,
    export_files,
    health,
)
# Imported at the first request to one of them; most clients never send one.
_CONTROL = LazyRoutes(
    "emulator.api.control.test_kit.clock",
    "emulator.api.control.test_kit.choreography",
    "emulator.api.control.transfer.data_sets",
    "emulator.api.control.documents",
    "emulator.api.control.transfer.exports",
    "emulator.api.control.test_kit.faults",
    "emulator.api.control.insight.heat_map",
    "emulator.api.control.insight.image_map",
    "emulator.api.control.insight.evaluation",
    "emulator.api.control.information",
    "emulator.api.control.jobs",
    "emulator.api.control.insight.label_hints",
    "emulator.api.control.labeling_queue",
    "emulator.api.control.transfer.model_imports",
    "emulator.api.control.insight.near_duplicates",
    "emulator.api.control.insight.training_report",
    "emulator.api.control.transfer.pulled_projects",
    "emulator.api.control.resources",
    "emulator.api.control.restoring",
    "emulator.api.control.rollouts",
    "emulator.api.control.insight.comparison",
    "emulator.api.control.insight.leave_report",
    "emulator.api.control.test_sets",
    "emulator.api.control.test_set_evaluations",
    "emulator.api.control.test_kit.trainer",
    "emulator.api.control.test_kit.requests",
    "emulator.api.control.test_kit.role_assignments",
    "emulator.api.control.test_kit.snapshots",
    "emulator.api.control.test_kit.prediction_scripts",
    "emulator.api.control.test_kit.usage",
    "emulator.api.control.upstream",
)
_PORTAL = LazyRoutes("emulator.portal.routes")
_METRICS = LazyRoutes("emulator.api.metrics.route")


def add_routes(app: FastAPI, *, metrics: bool = False) -> None:
    """Add the routes of all groups to the application, with `metrics` that of Prometheus, too.

    The routes themselves are added: `FastAPI.include_router` would copy each of them at the first
    request, which takes as long as making it.
    """
    for group in _GROUPS:
        app.router.routes.extend(group.router.routes)
    app.router.routes.append(Route("/_emulator/{path:path}", _CONTROL))
    if metrics:
        app.router.routes.append(Route("/metrics", _METRICS))
    app.router.routes.extend(Route(path, _PORTAL) for path in ("/portal", "/portal/{path:path}"))
    # Last, since their paths match every path of two segments.
    app.router.routes.extend(images.router.routes)
