"""Scripted predictions in the emulator's own API: setting, listing and removing them."""

from typing import Annotated

from emulator.api import responses
from emulator.api.dependencies import Emulator, ScriptId, json_body
from emulator.api.routing import OperationRouter, Result
from emulator.contract.test_kit import prediction_scripts as shapes
from emulator.core.errors import ServiceError
from emulator.core.predictions import scripted
from emulator.core.test_kit.prediction_scripts import Script, ScriptedPrediction
from emulator.vision.boxes.box import Box

router = OperationRouter()

_PATH = "/_emulator/predictionScripts"


@router.own("POST", _PATH)
def create_prediction_script(
    emulator: Emulator,
    body: Annotated[shapes.NewPredictionScript, json_body(shapes.NewPredictionScript)],
) -> Result:
    script = scripted.create(
        emulator,
        project_id=body.project_id,
        published_name=body.published_name,
        iteration_id=body.iteration_id,
        image_sha256=None if body.image is None else _sha256(body.image),
        times=body.times,
        predictions=[
            ScriptedPrediction(
                tag_id=item.tag_id,
                tag_name=item.tag_name,
                probability=item.probability,
                box=None
                if (box := item.bounding_box) is None
                else Box(left=box.left, top=box.top, width=box.width, height=box.height),
            )
            for item in body.predictions
        ],
    )
    return Result(_shown(script), 201)


@router.own("GET", _PATH)
def get_prediction_scripts(emulator: Emulator) -> shapes.PredictionScriptList:
    scripts = emulator.prediction_scripts.all()
    return shapes.PredictionScriptList(
        all_used=all(script.is_used_up for script in scripts), scripts=[_shown(script) for script in scripts]
    )


@router.own("DELETE", _PATH)
def delete_prediction_scripts(emulator: Emulator) -> None:
    emulator.prediction_scripts.clear()


@router.own("GET", f"{_PATH}/{{scriptId}}")
def get_prediction_script(emulator: Emulator, script_id: ScriptId) -> shapes.PredictionScript:
    script = emulator.prediction_scripts.get(script_id)
    if script is None:
        raise _unknown(script_id)
    return _shown(script)


@router.own("DELETE", f"{_PATH}/{{scriptId}}")
def delete_prediction_script(emulator: Emulator, script_id: ScriptId) -> None:
    if not emulator.prediction_scripts.remove(script_id):
        raise _unknown(script_id)


def _unknown(script_id: str) -> ServiceError:
    return ServiceError("NotFound", f"There is no prediction script {script_id}.")


def _sha256(image: shapes.NewImage) -> str:
    if (image.sha256 is None) == (image.contents is None):
        raise ServiceError("BadRequest", "image must have either sha256 or contents.")
    if image.contents is not None:
        return scripted.sha256_of_contents(image.contents)
    assert image.sha256 is not None
    return image.sha256


def _shown(script: Script) -> shapes.PredictionScript:
    return shapes.PredictionScript(
        id=script.id,
        created=script.created,
        project_id=script.project_id,
        published_name=script.published_name,
        iteration_id=script.iteration_id,
        image=None if script.image_sha256 is None else shapes.ScriptedImage(sha256=script.image_sha256),
        times=script.times,
        used=script.used,
        remaining=script.remaining,
        predictions=[
            shapes.ScriptedPrediction(
                probability=item.probability,
                tag_id=item.tag_id,
                tag_name=item.tag_name,
                bounding_box=None if item.box is None else responses.bounding_box(item.box),
            )
            for item in script.predictions
        ],
    )
