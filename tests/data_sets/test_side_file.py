"""`customvision.json`: what a format does not represent comes back, and labels that were edited count."""

from dataclasses import replace
from uuid import UUID

import pytest

from emulator.data_sets import formats
from emulator.data_sets.files import SIDE_FILE
from emulator.data_sets.record import DataSet, LabeledBox, ProjectInfo, TagInfo
from tests.support.data_sets import boxed_set, reading_of, tagged_set, written

FORMATS_OF_TAGS = ["coco", "cvat", "label-studio", "azure-ml", "csv", "folders"]
FORMATS_OF_BOXES = ["coco", "yolo", "darknet", "voc", "cvat", "label-studio", "azure-ml", "csv"]
CHANGED = f"Labels that were changed since the export are read instead of those of {SIDE_FILE}."


def with_ids(data: DataSet) -> DataSet:
    """The data set as one of a project, where everything has an id."""
    numbers = iter(range(1, 1000))

    def new_id() -> str:
        return str(UUID(int=next(numbers)))

    data.project = ProjectInfo("pets", "domain", "Multilabel", id=new_id())
    for tag in data.tags.values():
        tag.id = new_id()
    for image in data.images:
        image.id, image.metadata = new_id(), {"camera": "2"}
        image.boxes = tuple(replace(box, id=new_id()) for box in image.boxes)
    return data


def read_back(exported: DataSet, edited: DataSet, format: str) -> tuple[DataSet, dict[str, int]]:
    """The data set that is read when an export was edited; notes with counts."""
    files = written(edited, format) | {SIDE_FILE: written(exported, format)[SIDE_FILE]}
    reading = reading_of(files)
    data = formats.read(reading)
    assert reading.problems.error_count == 0
    data.images.sort(key=lambda image: image.file.rpartition("/")[2])
    return data, {problem.message: problem.count for problem in reading.problems}


@pytest.mark.parametrize("format", FORMATS_OF_TAGS)
def test_tags_that_were_removed_or_added_count(format: str) -> None:
    exported = with_ids(tagged_set([("a", "b"), ("a", "b"), ("b",)]))
    edited = with_ids(tagged_set([("a",), ("a", "b"), ("b", "c")]))
    data, notes = read_back(exported, edited, format)
    tags: dict[str | None, set[str]] = {}
    for image in data.images:
        tags.setdefault(image.id, set()).update(image.tags)
    assert list(tags.values()) == [{"a"}, {"a", "b"}, {"b", "c"}]
    assert list(tags) == [image.id for image in exported.images]
    assert notes[CHANGED] == 2
    assert (list(data.tags), data.tags["a"].id) == (["a", "b", "c"], exported.tags["a"].id)


@pytest.mark.parametrize("format", FORMATS_OF_BOXES)
def test_boxes_that_were_moved_or_removed_count_and_others_keep_their_ids(format: str) -> None:
    exported, edited = with_ids(boxed_set(4)), with_ids(boxed_set(4))
    moved = edited.images[2].boxes[0]
    edited.images[2].boxes = (replace(moved, left=moved.left + 0.1), *edited.images[2].boxes[1:])
    edited.images[3].boxes = edited.images[3].boxes[:2]
    edited.images[3].tags = edited.images[3].boxed_tags
    data, notes = read_back(exported, edited, format)
    ids = [[box.id for box in image.boxes] for image in exported.images]
    assert [[box.id for box in image.boxes] for image in data.images] == [
        [],
        ids[1],
        [None, ids[2][1]],
        ids[3][:2],
    ]
    assert notes[CHANGED] == 2


@pytest.mark.parametrize("format", [*FORMATS_OF_BOXES, "folders"])
def test_what_the_format_does_not_represent_comes_back(format: str) -> None:
    exported = with_ids(boxed_set(3))
    exported.images[0].tags = ("cat",)
    data, notes = read_back(exported, exported, format)
    assert CHANGED not in notes
    found = {
        image.id: (image.tags, image.boxes, image.metadata, image.in_pixels, image.size)
        for image in data.images
    }
    assert found == {
        image.id: (image.tags, image.boxes, image.metadata, False, None) for image in exported.images
    }
    assert (data.project, data.tags, data.detection) == (exported.project, exported.tags, True)


@pytest.mark.parametrize("format", ["coco", "csv", "folders"])
def test_a_project_for_boxes_stays_one_without_any(format: str) -> None:
    exported = with_ids(boxed_set(1))
    assert read_back(exported, exported, format)[0].detection


def test_tags_whose_folders_have_other_names_keep_their_own() -> None:
    exported = tagged_set([("a/b",), ("nothing",), ("a:b",)])
    exported.tags["nothing"] = TagInfo("nothing", "Negative")
    with_ids(exported)
    data, notes = read_back(exported, exported, "folders")
    assert [image.tags for image in data.images] == [("a/b",), ("nothing",), ("a:b",)]
    assert (data.tags, CHANGED in notes) == (exported.tags, False)


def test_tags_are_known_in_any_case_where_labels_were_changed() -> None:
    exported, edited = with_ids(boxed_set(2)), with_ids(boxed_set(2))
    edited.tags = {"CAT": TagInfo("CAT")}
    edited.images[1].boxes = (LabeledBox("CAT", 0.5, 0.5, 0.25, 0.25),)
    data, _ = read_back(exported, edited, "coco")
    assert [box.tag for box in data.images[1].boxes] == ["cat"]
    assert list(data.tags) == list(exported.tags)
