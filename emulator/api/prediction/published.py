"""The published iteration of a request of the Prediction API, as a dependency of its endpoints."""

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends

from emulator.api import responses
from emulator.api.dependencies import Emulator, PredictionId, ProjectId, PublishedName
from emulator.api.parameters import Application
from emulator.contract import responses as shapes
from emulator.core.context import Context
from emulator.core.images.sources import FromUrl, NoImage
from emulator.core.predictions.predict import predict


@dataclass
class PublishedIteration:
    """Project and published name of a request, and what is stored with its prediction."""

    emulator: Context
    prediction_id: str
    project_id: str
    name: str
    application: str | None

    def predict(
        self,
        image: bytes | FromUrl | NoImage,
        type: Literal["Classification", "ObjectDetection"],
        *,
        store: bool,
    ) -> shapes.ImagePrediction:
        """The prediction for an image. Raises the errors of `emulator.core.predictions.predict`."""
        result = predict(
            self.emulator,
            self.prediction_id,
            self.project_id,
            self.name,
            image,
            type=type,
            store=store,
            application=self.application,
        )
        return responses.image_prediction(result)


async def _published(
    emulator: Emulator,
    prediction_id: PredictionId,
    project_id: ProjectId,
    name: PublishedName,
    application: Application,
) -> PublishedIteration:
    return PublishedIteration(
        emulator=emulator,
        prediction_id=prediction_id,
        project_id=project_id,
        name=name,
        application=application,
    )


Published = Annotated[PublishedIteration, Depends(_published)]
