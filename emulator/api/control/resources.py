"""Resources and their keys, in the emulator's own API: for administrators."""

from typing import Annotated, Any

from fastapi import Depends, Request

from emulator.api.dependencies import Emulator, json_body
from emulator.api.routing import OperationRouter, Result
from emulator.contract.control import resources as shapes
from emulator.core.iterations.publishing import prediction_resource_id
from emulator.core.resources import manage
from emulator.store.resource_tables import KeyKind

router = OperationRouter()

_PATH = "/_emulator/resources"
_RESOURCE = f"{_PATH}/{{resourceName}}"
_NO_STORE = {"Cache-Control": "no-store"}


def _part(name: str) -> Any:
    async def read(request: Request) -> str:
        text: str = request.path_params[name]
        return text

    return Depends(read)


ResourceName = Annotated[str, _part("resourceName")]
Kind = Annotated[str, _part("kind")]
KeyName = Annotated[str, _part("keyName")]


@router.own("GET", _PATH)
def get_resources(request: Request, emulator: Emulator) -> shapes.ResourceList:
    return shapes.ResourceList(
        resources=[
            shapes.Resource(
                name=state.name,
                tier=state.tier,
                prediction_resource_id=_prediction_id(request, state.name),
                created=state.created,
                project_count=state.project_count,
                keys=[shapes.Key(**key._asdict()) for key in state.keys],
            )
            for state in manage.list_all(emulator)
        ]
    )


@router.own("POST", _PATH)
def add_resource(
    request: Request, emulator: Emulator, body: Annotated[shapes.NewResource, json_body(shapes.NewResource)]
) -> Result:
    given = {
        KeyKind.TRAINING: body.training_keys or (),
        KeyKind.PREDICTION: body.prediction_keys or (),
    }
    added = manage.add(emulator, body.name, body.tier, given=given, of_options=_keys_of_options(request))
    shown = shapes.AddedResource(
        name=added.name,
        tier=added.tier,
        prediction_resource_id=_prediction_id(request, added.name),
        keys=[_shown(key) for key in added.keys],
    )
    return Result(shown, headers=_NO_STORE)


@router.own("DELETE", _RESOURCE)
def remove_resource(emulator: Emulator, resource: ResourceName) -> None:
    manage.remove(emulator, resource)


@router.own("POST", f"{_RESOURCE}/keys")
def add_key(
    request: Request,
    emulator: Emulator,
    resource: ResourceName,
    body: Annotated[shapes.NewRoleKey, json_body(shapes.NewRoleKey)],
) -> Result:
    of_options = _keys_of_options(request)
    added = manage.add_key(emulator, resource, body.name, body.role, given=body.key, of_options=of_options)
    return Result(_shown(added), headers=_NO_STORE)


@router.own("DELETE", f"{_RESOURCE}/keys/{{keyName}}")
def remove_key(emulator: Emulator, resource: ResourceName, name: KeyName) -> None:
    manage.remove_key(emulator, resource, name)


@router.own("POST", f"{_RESOURCE}/keys/{{kind}}/{{keyName}}/rotate")
def rotate_key(emulator: Emulator, resource: ResourceName, kind: Kind, name: KeyName) -> Result:
    return Result(_shown(manage.rotate(emulator, resource, kind, name)), headers=_NO_STORE)


def _keys_of_options(request: Request) -> set[str]:
    settings = request.app.state.settings
    return {*settings.training_keys, *settings.prediction_keys}


def _shown(key: manage.NewKey) -> shapes.NewKey:
    return shapes.NewKey(**key._asdict())


def _prediction_id(request: Request, resource: str) -> str:
    return prediction_resource_id(request.app.state.settings.prediction_resource_id, resource)
