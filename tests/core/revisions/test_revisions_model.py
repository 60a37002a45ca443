"""Random sequences of changes: lists, counters, iterations and blobs against a model in plain Python."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from emulator.core.images import listing as image_lists
from emulator.core.images.filters import Comparison
from emulator.core.images.listing import Filter
from emulator.core.labels import tags
from tests.support.harness import NOWHERE, Service, expect, files_body, test_settings
from tests.support.images import picture
from tests.support.long_run import IS_LONG

# Few, so that the same bytes recur.
CONTENTS = [picture(number, colour, size=(16, 12)) for colour in ("red", "blue") for number in range(12)]


@dataclass
class Workspace:
    """What a view must show. images: ids from old to new, with their tags; contents: their bytes' numbers."""

    images: dict[str, set[str]] = field(default_factory=dict)
    contents: dict[str, int] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)

    def copy(self) -> "Workspace":
        return Workspace(
            {key: set(tags) for key, tags in self.images.items()}, dict(self.contents), [*self.tags]
        )

    def bearers(self, tag: str) -> int:
        return sum(tag in tags for tags in self.images.values())


# Which of those there are; see `History.pick`.
numbers = st.integers(0, 99)
some_numbers = st.lists(numbers, min_size=1, max_size=3)


class History(RuleBasedStateMachine):
    """Uploads, tags, deletions and trainings of one multilabel project."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.service = Service(test_settings(Path(self._folder.name)))
        self.now = Workspace()
        self.then: dict[str, Workspace] = {}
        self.tags_made = 0
        # Metadata are not versioned: every view shows the current ones.
        self.kinds: dict[str, str] = {}

    def teardown(self) -> None:
        self.service.end()
        self._folder.cleanup()

    @initialize()
    def create_project(self) -> None:
        """With enough in it for trainings."""
        self.project = self.service.project()
        for start, name in ((0, "red"), (12, "blue")):
            tag = self.service.tag(self.project, name)
            self.now.tags.append(tag)
            self._upload(range(start, start + 8), {tag})
        self.train()

    def pick(self, known: Iterable[str], numbers: list[int]) -> list[str]:
        """Some of those known, as many as `numbers` at most."""
        known = list(known)
        return list(dict.fromkeys(known[number % len(known)] for number in numbers)) if known else []

    def _upload(self, contents: Iterable[int], tags: set[str]) -> None:
        contents = list(contents)
        body = files_body([CONTENTS[number] for number in contents], sorted(tags))
        items = self.service.send("POST", f"{self.project}/images/files", json=body).json()["images"]
        known = {content: image for image, content in self.now.contents.items()}
        for number, item in zip(contents, items, strict=True):
            image = item["image"]["id"]
            assert item["status"] == ("OKDuplicate" if number in known else "OK")
            assert known.setdefault(number, image) == image
            self.now.images.setdefault(image, set()).update(tags)
            self.now.contents[image] = number

    @rule(numbers=some_numbers, kind=st.sampled_from("ab"))
    def describe(self, numbers: list[int], kind: str) -> None:
        images = self.pick(self.now.images, numbers)
        if images:
            parameters = {"imageIds": ",".join(images)}
            self.service.post(f"{self.project}/images/metadata", params=parameters, json={"kind": kind})
            self.kinds |= dict.fromkeys(images, kind)

    @rule()
    def create_tag(self) -> None:
        self.tags_made += 1
        self.now.tags.append(self.service.tag(self.project, f"tag {self.tags_made}"))

    @rule(number=numbers)
    def delete_tag(self, number: int) -> None:
        # The first two stay, for trainings.
        for tag in self.pick(self.now.tags[2:], [number]):
            self.service.delete(f"{self.project}/tags/{tag}")
            self.now.tags.remove(tag)
            for borne in self.now.images.values():
                borne.discard(tag)

    @rule(
        contents=st.lists(st.integers(0, len(CONTENTS) - 1), min_size=1, max_size=4),
        tags=st.lists(numbers, max_size=2),
    )
    def upload(self, contents: list[int], tags: list[int]) -> None:
        self._upload(contents, set(self.pick(self.now.tags, tags)))

    @rule(images=some_numbers, tags=some_numbers)
    def tag_images(self, images: list[int], tags: list[int]) -> None:
        chosen = self.pick(self.now.images, images)
        pairs = [(image, tag) for image in chosen for tag in self.pick(self.now.tags, tags)]
        if not pairs:
            return
        body = {"tags": [{"imageId": image, "tagId": tag} for image, tag in pairs]}
        summary = expect(self.service.send("POST", f"{self.project}/images/tags", json=body))
        new = {pair for pair in pairs if pair[1] not in self.now.images[pair[0]]}
        assert {(item["imageId"], item["tagId"]) for item in summary["created"]} == new
        for image, tag in pairs:
            self.now.images[image].add(tag)

    @rule(images=some_numbers, tags=some_numbers)
    def untag_images(self, images: list[int], tags: list[int]) -> None:
        chosen = self.pick(self.now.images, images)
        removed = self.pick(self.now.tags, tags)
        if chosen:
            parameters = {"imageIds": ",".join(chosen), "tagIds": ",".join(removed)}
            self.service.delete(f"{self.project}/images/tags", params=parameters)
        for image in chosen:
            self.now.images[image].difference_update(removed)

    @rule(images=some_numbers, everywhere=st.booleans())
    def delete_images(self, images: list[int], everywhere: bool) -> None:
        chosen = self.pick({**self.now.images, **self.all_shown()}, images)
        if chosen:
            parameters = {"imageIds": ",".join(chosen), "allIterations": str(everywhere)}
            self.service.delete(f"{self.project}/images", params=parameters)
        for workspace in [self.now, *(self.then.values() if everywhere else ())]:
            for image in chosen:
                workspace.images.pop(image, None)
                workspace.contents.pop(image, None)

    @precondition(lambda self: len(self.then) < 4)
    @rule()
    def train(self) -> None:
        # The first two tags suffice; all others are in the iteration's view nevertheless.
        selected = {"selectedTags": self.now.tags[:2]}
        possible = min(self.now.bearers(tag) for tag in self.now.tags[:2]) >= 5
        request = {"params": {"forceTrain": "true"}, "json": selected}
        response = self.service.send("POST", f"{self.project}/train", **request)
        assert response.status_code == (200 if possible else 400), response.text
        if possible:
            self.service.finish_trainings()
            iteration = response.json()["id"]
            assert self.service.get(f"{self.project}/iterations/{iteration}")["status"] == "Completed"
            self.then[iteration] = self.now.copy()
            refused = self.service.refused("POST", f"{self.project}/train", json=selected)
            assert refused[1] == "BadRequestTrainingNotNeeded"

    @precondition(lambda self: len(self.then) < 4)
    @rule(contents=st.integers(0, len(CONTENTS) - 1), images=some_numbers, number=numbers)
    def train_change_and_forget(self, contents: int, images: list[int], number: int) -> None:
        """What people do: improve the images, train, improve them, delete an iteration."""
        self.upload([contents], [number])
        self.train()
        self.delete_images(images, everywhere=False)
        self.untag_images(images, images)
        self.delete_iteration(number)

    @rule(number=numbers)
    def delete_iteration(self, number: int) -> None:
        for iteration in self.pick(self.then, [number]):
            self.service.delete(f"{self.project}/iterations/{iteration}")
            del self.then[iteration]

    @rule()
    def restart(self) -> None:
        self.service.restart()

    def all_shown(self) -> dict[str, set[str]]:
        return {image: tags for workspace in self.then.values() for image, tags in workspace.images.items()}

    # Invariants after every step

    @invariant()
    def every_view_shows_what_the_model_says(self) -> None:
        if not hasattr(self, "project"):
            return
        self._check(self.now, None)
        for iteration, workspace in self.then.items():
            self._check(workspace, iteration)

    def _check(self, workspace: Workspace, iteration: str | None) -> None:
        context, project = self.service.context, self.project.rpartition("/")[2]
        tagged = [image for image, tags in workspace.images.items() if tags]
        untagged = [image for image, tags in workspace.images.items() if not tags]
        some_tag = workspace.tags[-1]
        bearers = [image for image, tags in workspace.images.items() if some_tag in tags]
        kind_a = [image for image in workspace.images if self.kinds.get(image) == "a"]
        for chosen, expected in (
            (Filter(), list(workspace.images)),
            (Filter("Tagged"), tagged),
            (Filter("Untagged"), untagged),
            (Filter(tag_ids=(some_tag,)), bearers),
            (Filter("Tagged", (some_tag, NOWHERE)), bearers),
            (Filter("Untagged", (some_tag,)), []),
            (Filter(metadata=Comparison("kind", "a")), kind_a),
            (Filter("Tagged", (), Comparison("kind", "a")), [image for image in kind_a if image in tagged]),
        ):
            shown = image_lists.list_page(context, project, iteration, chosen, take=256, skip=0)
            assert [item.image.id for item in shown] == expected[::-1]
            for item in shown:
                assert {tag.tag_id for tag in item.tags} == workspace.images[item.image.id]
            assert image_lists.count(context, project, iteration, chosen) == len(expected)
        listed = tags.list_all(context, project, iteration)
        assert {item.tag.id: item.image_count for item in listed} == {
            tag: workspace.bearers(tag) for tag in workspace.tags
        }

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
        kept = {*self.now.images, *self.all_shown()}
        assert {row[0] for row in rows("SELECT id FROM image")} == kept
        assert self.service.blobs() == self.service.referenced_blobs()


TestHistory = pytest.mark.slow(History.TestCase)
TestHistory.settings = settings(max_examples=10 if IS_LONG else 5, stateful_step_count=40)
