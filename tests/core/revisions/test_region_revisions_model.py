"""Random changes to a detection project: regions, tags, counters and iterations against a model."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from tests.support.detection import (
    Coordinates,
    delete,
    detection_project,
    freeze,
    on,
    region,
    upload,
)
from tests.support.harness import Service, test_settings
from tests.support.images import picture
from tests.support.long_run import IS_LONG

# Few, so that the same values recur.
CONTENTS = [picture(number, size=(16, 12)) for number in range(5)]
BOXES: list[Coordinates] = [(0, 0, 1, 1), (0.25, 0.25, 0.5, 0.5), (0.1, 0.2, 0.3, 0.4)]
BATCH = st.lists(st.integers(0, len(BOXES) - 1), min_size=1, max_size=3, unique=True)
Drawn = tuple[str, str, int]


@dataclass
class Workspace:
    """What a view must show. images: tags by id, from old to new; regions: image, tag and box by id."""

    images: dict[str, set[str]] = field(default_factory=dict)
    contents: dict[str, int] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)
    regions: dict[str, Drawn] = field(default_factory=dict)

    def copy(self) -> "Workspace":
        images = {key: set(tags) for key, tags in self.images.items()}
        return Workspace(images, dict(self.contents), set(self.tags), dict(self.regions))

    def erase(self, which: Any) -> None:
        self.regions = {key: drawn for key, drawn in self.regions.items() if not which(drawn)}

    def draw(self, region_id: str, drawn: Drawn) -> None:
        assert drawn not in self.regions.values()
        self.regions[region_id] = drawn
        self.images[drawn[0]].add(drawn[1])


class RegionHistory(RuleBasedStateMachine):
    """Uploads, regions, tags and deletions of one detection project."""

    tags = Bundle("tags")
    images = Bundle("images")
    regions = Bundle("regions")
    iterations = Bundle("iterations")

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.service = Service(test_settings(Path(self._folder.name)))
        self.now = Workspace()
        self.then: dict[str, Workspace] = {}
        self.names = 0

    def teardown(self) -> None:
        self.service.end()
        self._folder.cleanup()

    @initialize(target=tags)
    def create_project(self) -> Any:
        self.project = detection_project(self.service)
        made = [self.create_tag(), self.create_tag()]
        for content, tag in enumerate(made):
            self._upload(content, tag, [content, 2])
        return multiple(*made)

    @rule(target=tags)
    def create_tag(self) -> str:
        self.names += 1
        tag = self.service.tag(self.project, f"tag {self.names}")
        self.now.tags.add(tag)
        return tag

    @rule(tag=consumes(tags))
    def delete_tag(self, tag: str) -> None:
        self.service.delete(f"{self.project}/tags/{tag}")
        self.now.tags.discard(tag)
        for tags in self.now.images.values():
            tags.discard(tag)
        self.now.erase(lambda drawn: drawn[1] == tag)

    @rule(target=images, content=st.integers(0, len(CONTENTS) - 1), tag=tags, boxes=BATCH)
    def upload(self, content: int, tag: str, boxes: list[int]) -> Any:
        return self._upload(content, tag, boxes)

    def _upload(self, content: int, tag: str, boxes: list[int]) -> Any:
        regions = [region(tag, BOXES[box]) for box in boxes]
        (item,) = upload(self.service, self.project, [CONTENTS[content]], regions).json()["images"]
        if tag not in self.now.tags:
            assert item["status"] == "ErrorInvalidTag"
            return multiple()
        known = {number: image for image, number in self.now.contents.items()}
        assert item["status"] == ("OKDuplicate" if content in known else "OK")
        image = item["image"]["id"]
        assert known.setdefault(content, image) == image
        self.now.contents[image] = content
        self.now.images.setdefault(image, set()).add(tag)
        drawn = [(image, tag, box) for box in boxes]
        drawn = [one for one in drawn if one not in self.now.regions.values()]
        shown = [found["regionId"] for found in item["image"].get("regions", [])]
        new = [found for found in shown if found not in self.now.regions]
        for region_id, one in zip(new, drawn, strict=True):
            self.now.draw(region_id, one)
        assert set(shown) == {key for key, one in self.now.regions.items() if one[0] == image}
        return image

    @rule(target=images, number=st.integers(0, 99))
    def choose_image(self, number: int) -> Any:
        """One of the workspace, for the rules that take images."""
        known = list(self.now.images)
        return known[number % len(known)] if known else multiple()

    @rule(target=regions, number=st.integers(0, 99))
    def choose_region(self, number: int) -> Any:
        known = list(self.now.regions)
        return known[number % len(known)] if known else multiple()

    @rule(target=regions, image=images, tag=tags, boxes=BATCH)
    def draw(self, image: str, tag: str, boxes: list[int]) -> Any:
        body = {"regions": [on(image, tag, BOXES[box]) for box in boxes]}
        response = self.service.send("POST", f"{self.project}/images/regions", json=body)
        if image not in self.now.images or tag not in self.now.tags:
            assert response.status_code in (400, 404)
            return multiple()
        drawn = [(image, tag, box) for box in boxes]
        new = [one for one in drawn if one not in self.now.regions.values()]
        summary = response.json()
        assert len(summary["duplicated"]) == len(drawn) - len(new)
        for found, one in zip(summary["created"], new, strict=True):
            self.now.draw(found["regionId"], one)
        return multiple(*(found["regionId"] for found in summary["created"]))

    @rule(chosen=st.lists(regions, min_size=1, max_size=4))
    def erase(self, chosen: list[str]) -> None:
        delete(self.service, self.project, *chosen)
        lost = {self.now.regions.pop(key)[:2] for key in set(chosen) if key in self.now.regions}
        for image, tag in lost - {drawn[:2] for drawn in self.now.regions.values()}:
            self.now.images[image].discard(tag)

    @rule(image=images, tag=tags)
    def tag_image(self, image: str, tag: str) -> None:
        if image in self.now.images and tag in self.now.tags:
            body = {"tags": [{"imageId": image, "tagId": tag}]}
            self.service.post(f"{self.project}/images/tags", json=body)
            self.now.images[image].add(tag)

    @rule(image=images, tag=tags)
    def untag_image(self, image: str, tag: str) -> None:
        parameters = {"imageIds": image, "tagIds": tag}
        self.service.delete(f"{self.project}/images/tags", params=parameters)
        self.now.images.get(image, set()).discard(tag)
        self.now.erase(lambda drawn: drawn[:2] == (image, tag))

    @rule(image=consumes(images), everywhere=st.booleans())
    def delete_image(self, image: str, everywhere: bool) -> None:
        parameters = {"imageIds": image, "allIterations": str(everywhere)}
        self.service.delete(f"{self.project}/images", params=parameters)
        for workspace in [self.now, *(self.then.values() if everywhere else ())]:
            workspace.images.pop(image, None)
            workspace.contents.pop(image, None)
            workspace.erase(lambda drawn: drawn[0] == image)

    @precondition(lambda self: len(self.then) < 3)
    @rule(target=iterations)
    def keep(self) -> str:
        iteration = freeze(self.service, self.project)
        self.then[iteration] = self.now.copy()
        return iteration

    @rule(iteration=consumes(iterations))
    def delete_iteration(self, iteration: str) -> None:
        self.service.delete(f"{self.project}/iterations/{iteration}")
        del self.then[iteration]

    @rule()
    def restart(self) -> None:
        self.service.restart()

    # Invariants after every step

    @invariant()
    def every_view_shows_what_the_model_says(self) -> None:
        if not hasattr(self, "project"):
            return
        self._check(self.now, {})
        for iteration, workspace in self.then.items():
            self._check(workspace, {"iterationId": iteration})

    def _check(self, workspace: Workspace, view: dict[str, str]) -> None:
        shown = self.service.get(f"{self.project}/images", params={"take": 256, **view})
        assert [image["id"] for image in shown] == list(workspace.images)[::-1]
        found = {}
        for image in shown:
            assert {tag["tagId"] for tag in image.get("tags", [])} == workspace.images[image["id"]]
            for item in image.get("regions", []):
                box = tuple(item[name] for name in ("left", "top", "width", "height"))
                found[item["regionId"]] = (image["id"], item["tagId"], box)
        assert found == {
            key: (image, tag, BOXES[box]) for key, (image, tag, box) in workspace.regions.items()
        }
        counted = self.service.get(f"{self.project}/tags", params=view)
        assert {tag["id"]: tag["imageCount"] for tag in counted} == {
            tag: sum(tag in tags for tags in workspace.images.values()) for tag in workspace.tags
        }

    @invariant()
    def counters_are_exact_and_nothing_is_left_behind(self) -> None:
        if not hasattr(self, "project"):
            return
        rows = self.service.rows
        assert rows("SELECT image_count, tagged_count FROM project") == [
            (len(self.now.images), sum(bool(tags) for tags in self.now.images.values()))
        ]
        assert dict(rows("SELECT id, tag_count FROM image WHERE removed IS NULL")) == {
            image: len(tags) for image, tags in self.now.images.items()
        }
        assert {row[0] for row in rows("SELECT id FROM region WHERE removed IS NULL")} == set(
            self.now.regions
        )
        kept = set().union(*(workspace.regions for workspace in self.then.values()))
        assert {row[0] for row in rows("SELECT id FROM region WHERE removed IS NOT NULL")} <= kept
        assert self.service.blobs() == self.service.referenced_blobs()


TestRegionHistory = pytest.mark.slow(RegionHistory.TestCase)
TestRegionHistory.settings = settings(max_examples=20 if IS_LONG else 10, stateful_step_count=30)
