"""What requests for images of a confusion matrix share: the chosen number, and matches in the responses."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends, Request

from emulator.api import responses
from emulator.api.parameters import choice_in, guid_in, text_in
from emulator.contract.control import insight as shapes
from emulator.core.errors import ServiceError
from emulator.core.insight import images as cell_images
from emulator.core.insight.images import Cell, FoundPair, TagOutcome

_PARAMETERS = ("actual", "predicted", "tagId", "outcome")


async def _any_cell(request: Request) -> Cell | TagOutcome | None:
    """The cell of the matrix (``actual`` and ``predicted``), or ``outcome`` of ``tagId``."""
    given = {name for name in _PARAMETERS if text_in(request, name) is not None}
    if not given:
        return None
    if given == {"tagId", "outcome"}:
        tag_id = guid_in(request, "tagId") or ""
        return TagOutcome(tag_id, choice_in(request, "outcome", cell_images.OUTCOMES, ""))  # type: ignore[arg-type]
    if given == {"actual", "predicted"}:
        return Cell(_tag_or_nothing(request, "actual"), _tag_or_nothing(request, "predicted"))
    raise ServiceError(
        "BadRequestRequiredParamIsNull",
        "Give either 'actual' and 'predicted', or 'tagId' and 'outcome', or none of them.",
    )


def _tag_or_nothing(request: Request, name: str) -> str:
    text = text_in(request, name) or ""
    return cell_images.NOTHING if text.lower() == cell_images.NOTHING else guid_in(request, name) or ""


# None when the request has none of the parameters.
AnyCell = Annotated[Cell | TagOutcome | None, Depends(_any_cell)]


def matches(pairs: Sequence[FoundPair], names: dict[str, str]) -> list[shapes.Match]:
    """The counted pairs of an image. names: of tags, by id."""
    return [
        shapes.Match(
            object=_object(pair, names),
            prediction=responses.prediction(pair.prediction) if pair.prediction else None,
            overlap=pair.overlap,
        )
        for pair in pairs
    ]


def _object(pair: FoundPair, names: dict[str, str]) -> shapes.MatchedObject | None:
    if pair.object_tag_id is None:
        return None
    assert pair.object_box is not None
    return shapes.MatchedObject(
        tag_id=pair.object_tag_id,
        tag_name=names[pair.object_tag_id],
        bounding_box=responses.bounding_box(pair.object_box),
    )
