"""Importing exported models: of the emulator's own API, since the service has no such thing."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from emulator.api.gateway import read_body
from emulator.contract.identifiers import guid
from emulator.core import domains
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.iterations import import_model as model_imports


def model_import_routes(context: Context, threads: Executor, max_body: int) -> list[BaseRoute]:
    async def import_model(request: Request) -> Response:
        export = await read_body(request.scope, request.receive, max_body)
        answer = await asyncio.get_running_loop().run_in_executor(
            threads, _import, context, export, request.query_params
        )
        return JSONResponse(answer)

    return [Route("/_emulator/models", import_model, methods=["POST"])]


def _import(context: Context, export: bytes, parameters: Mapping[str, str]) -> dict[str, Any]:
    project = parameters.get("project", "")
    try:
        named: dict[str, str] = {"project_id": guid(project)}
    except ValueError:
        named = {"project_name": project}
    imported = model_imports.import_model(
        context,
        export,
        **named,
        classification_type=parameters.get("classificationType") or None,
        publication=_publication(parameters),
    )
    iteration = imported.iteration
    return {
        "projectId": imported.project.id,
        "projectName": imported.project.name,
        "projectCreated": imported.created,
        "iterationId": iteration.id,
        "iterationName": iteration.name,
        "domainType": domains.get(iteration.domain_id or "").type,
        "classificationType": iteration.classification_type,
        "publishName": iteration.publish_name,
        "tags": [{"id": tag["id"], "name": tag["name"]} for tag in iteration.model_tags or ()],
    }


def _publication(parameters: Mapping[str, str]) -> model_imports.Publication | None:
    overwrite = (parameters.get("overwrite") or "false").lower()
    if overwrite not in ("true", "false"):
        raise ServiceError(
            "BadRequest",
            f"The value '{overwrite[:100]}' is not valid for 'overwrite': expected true or false.",
        )
    name = parameters.get("publishName")
    if not name:
        return None
    return model_imports.Publication(name, parameters.get("predictionId", ""), overwrite == "true")
