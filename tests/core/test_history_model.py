"""Any order of changes: lists, counters, iterations and blobs against a model made of plain Python."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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

from tests.harness import Service, expect, files_body, picture, test_settings

# Few, so that the same bytes come again.
CONTENTS = [picture(number, colour, size=(16, 12)) for colour in ("red", "blue") for number in range(9)]


@dataclass
class Workspace:
    """What a view must show. images: ids from old to new, with their tags; contents: their bytes' numbers."""

    images: dict[str, set[str]] = field(default_factory=dict)
    contents: dict[str, int] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)

    def copy(self) -> "Workspace":
        return Workspace(
            {key: set(tags) for key, tags in self.images.items()}, dict(self.contents), set(self.tags)
        )

    def bearers(self, tag: str) -> int:
        return sum(tag in tags for tags in self.images.values())


class History(RuleBasedStateMachine):
    """Uploads, tags, deletions and trainings of one multilabel project."""

    tags = Bundle("tags")
    images = Bundle("images")
    iterations = Bundle("iterations")

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.service = Service(test_settings(Path(self._folder.name)))
        self.now = Workspace()
        self.then: dict[str, Workspace] = {}
        self.names = 0
        self.trained_at: Workspace | None = None

    def teardown(self) -> None:
        self.service.end()
        self._folder.cleanup()

    @initialize(target=tags)
    def create_project(self) -> Any:
        self.project = self.service.project()
        made = [self.service.tag(self.project, name) for name in ("red", "blue")]
        self.now.tags |= set(made)
        # So that trainings are possible from the beginning.
        for number, tag in enumerate(made):
            self._upload(range(number * 9, number * 9 + 5), {tag})
        return multiple(*made)

    def _upload(self, contents: Any, tags: set[str]) -> list[str]:
        contents = list(contents)
        body = files_body([CONTENTS[number] for number in contents], sorted(tags))
        items = self.service.send("POST", f"{self.project}/images/files", json=body).json()["images"]
        known = {content: image for image, content in self.now.contents.items()}
        made = []
        for number, item in zip(contents, items, strict=True):
            if not tags <= self.now.tags:
                assert item["status"] == "ErrorInvalidTag"
                continue
            image = item["image"]["id"]
            assert item["status"] == ("OKDuplicate" if number in known else "OK")
            assert known.setdefault(number, image) == image
            if image not in self.now.images:
                made.append(image)
            self.now.images.setdefault(image, set()).update(tags)
            self.now.contents[image] = number
        return made

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

    @rule(
        target=images,
        contents=st.lists(st.integers(0, len(CONTENTS) - 1), min_size=1, max_size=4),
        tags=st.lists(tags, max_size=2),
    )
    def upload(self, contents: list[int], tags: list[str]) -> Any:
        return multiple(*self._upload(contents, set(tags)))

    @rule(target=images, number=st.integers(0, 99))
    def choose_image(self, number: int) -> Any:
        """One of the workspace, the first ones among them, for the rules that take images."""
        known = list(self.now.images)
        return known[number % len(known)] if known else multiple()

    @rule(pairs=st.lists(st.tuples(images, tags), min_size=1, max_size=3))
    def tag_images(self, pairs: list[tuple[str, str]]) -> None:
        pairs = [(image, tag) for image, tag in pairs if image in self.now.images]
        if not pairs:
            return
        body = {"tags": [{"imageId": image, "tagId": tag} for image, tag in pairs]}
        summary = expect(self.service.send("POST", f"{self.project}/images/tags", json=body))
        new = {pair for pair in pairs if pair[1] not in self.now.images[pair[0]]}
        assert {(item["imageId"], item["tagId"]) for item in summary["created"]} == new
        for image, tag in pairs:
            self.now.images[image].add(tag)

    @rule(
        chosen=st.lists(images, min_size=1, max_size=3),
        tags=st.lists(tags, min_size=1, max_size=2),
    )
    def untag_images(self, chosen: list[str], tags: list[str]) -> None:
        parameters = {"imageIds": ",".join(chosen), "tagIds": ",".join(tags)}
        self.service.delete(f"{self.project}/images/tags", params=parameters)
        for image in chosen:
            self.now.images.get(image, set()).difference_update(tags)

    @rule(chosen=st.lists(images, min_size=1, max_size=3), everywhere=st.booleans())
    def delete_images(self, chosen: list[str], everywhere: bool) -> None:
        parameters = {"imageIds": ",".join(chosen), "allIterations": str(everywhere)}
        self.service.delete(f"{self.project}/images", params=parameters)
        for workspace in [self.now, *(self.then.values() if everywhere else ())]:
            for image in chosen:
                workspace.images.pop(image, None)
                workspace.contents.pop(image, None)

    @precondition(lambda self: len(self.then) < 4)
    @rule(target=iterations)
    def train(self) -> Any:
        numbers = [self.now.bearers(tag) for tag in self.now.tags]
        trainable = len(numbers) >= 2 and min(numbers) >= 5
        response = self.service.send("POST", f"{self.project}/train", params={"forceTrain": "true"})
        assert response.status_code == (200 if trainable else 400), response.text
        if not trainable:
            return multiple()
        self.service.finish_trainings()
        iteration = response.json()["id"]
        assert self.service.get(f"{self.project}/iterations/{iteration}")["status"] == "Completed"
        self.then[iteration] = self.now.copy()
        return iteration

    @precondition(lambda self: all(self.now.bearers(tag) >= 5 for tag in self.now.tags))
    @rule(target=iterations)
    def train_once_more(self) -> Any:
        """Right after `train`, nothing has changed."""
        if len(self.then) >= 4 or len(self.now.tags) < 2:
            return multiple()
        iteration = self.train()
        status, code, _ = self.service.refused("POST", f"{self.project}/train")
        assert (status, code) == (400, "BadRequestTrainingNotNeeded")
        return iteration

    @rule(iteration=consumes(iterations))
    def delete_iteration(self, iteration: str) -> None:
        self.service.delete(f"{self.project}/iterations/{iteration}")
        del self.then[iteration]

    @rule()
    def restart(self) -> None:
        self.service.restart()

    # What must hold after every step

    @invariant()
    def every_view_shows_what_the_model_says(self) -> None:
        if not hasattr(self, "project"):
            return
        self._check(self.now, {})
        for iteration, workspace in self.then.items():
            self._check(workspace, {"iterationId": iteration})

    def _check(self, workspace: Workspace, view: dict[str, str]) -> None:
        service, images = self.service, f"{self.project}/images"
        shown = service.get(images, params={"take": 256, **view})
        assert [image["id"] for image in shown] == list(workspace.images)[::-1]
        for image in shown:
            assert {tag["tagId"] for tag in image.get("tags", [])} == workspace.images[image["id"]]
        tagged = [image for image, tags in workspace.images.items() if tags]
        untagged = [image for image, tags in workspace.images.items() if not tags]
        for kind, expected in (("tagged", tagged), ("untagged", untagged)):
            assert [image["id"] for image in service.get(f"{images}/{kind}", params=view)] == expected[::-1]
            assert service.get(f"{images}/{kind}/count", params=view) == len(expected)
        assert service.get(f"{images}/count", params=view) == len(workspace.images)
        tags = {tag["id"]: tag["imageCount"] for tag in service.get(f"{self.project}/tags", params=view)}
        assert tags == {tag: workspace.bearers(tag) for tag in workspace.tags}
        for tag, number in tags.items():
            assert service.get(f"{images}/count", params={"tagIds": tag, **view}) == number

    @invariant()
    def counters_and_blobs_are_exact(self) -> None:
        if not hasattr(self, "project"):
            return
        rows = self.service.rows
        assert rows("SELECT image_count, tagged_count FROM project") == [
            (len(self.now.images), sum(bool(tags) for tags in self.now.images.values()))
        ]
        assert dict(rows("SELECT id, tag_count FROM image WHERE removed IS NULL")) == {
            image: len(tags) for image, tags in self.now.images.items()
        }
        kept = set().union(*(workspace.images for workspace in (self.now, *self.then.values())))
        assert {row[0] for row in rows("SELECT id FROM image")} == kept
        assert self.service.blobs() == self.service.referenced_blobs()


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=12, stateful_step_count=30)
