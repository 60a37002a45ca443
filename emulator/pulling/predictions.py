"""Pulling stored predictions, which the service keeps for 30 days."""

from typing import Any

from emulator.pulling.files import Wanted
from emulator.pulling.service import Refused
from emulator.pulling.source import Source

_DONE = "done"
# In the archive: whether all pages were received.
NAME = "predictions"


def pull_predictions(pull: Source) -> None:
    """All stored predictions with their images.

    Each page has the continuation of the next, so the pages are requested one after the other. There is no
    request for single predictions: when the file of one is missing, all pages are requested again.
    """
    archive = pull.archive
    if archive.meta(NAME) == _DONE and not archive.unsettled_predictions():
        return
    token: dict[str, Any] | None = {"maxCount": 0, "orderBy": "Oldest"}
    try:
        while token is not None:
            page = pull.query_predictions(token)
            new = [_kept(item) for item in page["results"]]
            archive.put_predictions(new, archive.prediction_count())
            for item in page["results"]:
                pull.files.offer(Wanted("prediction", item["id"], str(item["originalImageUri"]), None))
            following = page["token"]
            token = following if following.get("continuation") and page["results"] else None
    except Refused as refused:
        archive.put_reason(NAME, "all", str(refused))
        return
    archive.put_meta(NAME, _DONE)


def _kept(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if not name.endswith("Uri")}
