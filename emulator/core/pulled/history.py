"""The history of a workspace from its states: what iterations and the workspace contain becomes revisions.

The views are in order: iterations as they were trained, and last the workspace. View k has revision k + 1. A
row is born with the first view that contains it and is removed with the first one after it that does not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_OID, uuid5


@dataclass(frozen=True)
class Life:
    """Revisions of a row. removed: None while the workspace contains it."""

    born: int
    removed: int | None


@dataclass
class ImageHistory:
    """The rows of an image. tags: life, id of the tag, time. regions: life, and the region as the service
    describes it, with the id that it gets here."""

    life: Life
    latest: dict[str, Any]
    tags: list[tuple[Life, str, str]] = field(default_factory=list)
    regions: list[tuple[Life, dict[str, Any]]] = field(default_factory=list)


def lives(present: Iterable[int], view_count: int) -> list[Life]:
    """The lives of a thing that the views with these indexes contain: one for each run of views."""
    runs: list[list[int]] = []
    for index in sorted(present):
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return [life(run, view_count) for run in runs]


def life(present: Iterable[int], view_count: int) -> Life:
    """The life of a thing that has one: from the first view that contains it to the last."""
    indexes = sorted(present)
    return Life(indexes[0] + 1, None if indexes[-1] == view_count - 1 else indexes[-1] + 2)


def image_history(descriptions: dict[str, dict[str, Any]], views: Sequence[str]) -> ImageHistory | None:
    """The rows of an image, given what each view says of it; None when none of `views` contains it."""
    places = {view: index for index, view in enumerate(views)}
    present = {places[view]: text for view, text in descriptions.items() if view in places}
    if not present:
        return None
    count = len(views)
    result = ImageHistory(life(present, count), present[max(present)])
    tags: dict[str, dict[int, str]] = {}
    regions: dict[tuple[Any, ...], dict[int, dict[str, Any]]] = {}
    for index, text in present.items():
        for tag in text.get("tags") or ():
            tags.setdefault(tag["tagId"], {})[index] = tag.get("created") or text["created"]
        for region in text.get("regions") or ():
            sides = tuple(region[side] for side in ("left", "top", "width", "height"))
            regions.setdefault((region["regionId"], region["tagId"], *sides), {})[index] = region
    for tag_id, at in tags.items():
        result.tags += [(one, tag_id, at[one.born - 1]) for one in lives(at, count)]
    result.tags.sort(key=lambda item: item[2])
    used: set[str] = set()
    # Those of the latest views keep their ids, if the service changed a region without changing its id.
    for same, at_views in sorted(regions.items(), key=lambda item: -max(item[1])):
        for one in reversed(lives(at_views, count)):
            region = at_views[one.born - 1]
            new_id = (
                region["regionId"] if same[0] not in used else str(uuid5(NAMESPACE_OID, f"{same} {one.born}"))
            )
            used.add(same[0])
            result.regions.append((one, {**region, "regionId": new_id}))
    result.regions.sort(key=lambda item: (item[1]["created"], item[1]["regionId"]))
    return result
