"""Folders of tags, and those of YOLO's data sets for classification."""

import pytest

from emulator.data_sets import formats
from emulator.data_sets.record import DataSetUnreadable, Problems, TagInfo
from tests.support.data_sets import boxed_set, reading_of, tagged_set, written


def test_folders_are_tags_and_two_names_are_reserved() -> None:
    reading = reading_of({f"{name}/a.png": "" for name in ("cats", "_untagged", "_negative")} | {"b.png": ""})
    data = formats.read(reading)
    found = {image.file: image.tags for image in data.images}
    assert found == {
        "cats/a.png": ("cats",),
        "_untagged/a.png": (),
        "_negative/a.png": ("Negative",),
        "b.png": (),
    }
    assert data.tags["Negative"].type == "Negative"


def test_tags_whose_names_differ_in_case_are_one() -> None:
    reading = reading_of({"Cats/a.png": "", "cats/b.png": ""})
    data = formats.read(reading)
    assert {image.tags for image in data.images} == {("Cats",)}
    assert [problem.message for problem in reading.problems] == ["'cats' and 'Cats' are read as one tag."]


def test_names_are_compared_in_one_normal_form() -> None:
    reading = reading_of({"Vo\u0308gel/a.png": "", "V\u00f6gel/b.png": ""})
    assert list(formats.read(reading).tags) == ["V\u00f6gel"]


def test_parts_of_a_divided_data_set_are_no_tags() -> None:
    reading = reading_of({"train/cats/a.png": "", "val/dogs/b.png": ""})
    data = formats.read(reading)
    assert data.format == "yolo-classification"
    assert [(image.tags, image.split) for image in data.images] == [(("cats",), "train"), (("dogs",), "val")]


def test_images_with_several_tags_are_in_several_folders_or_refused() -> None:
    data = tagged_set([("a", "b"), (), ("b",)])
    assert sorted(written(data, "folders")) == [
        "_untagged/image1.png",
        "a/image0.png",
        "b/image0.png",
        "b/image2.png",
    ]
    with pytest.raises(DataSetUnreadable, match="1 images have several tags"):
        written(data, "yolo-classification")


def test_names_that_file_systems_do_not_allow_are_changed_and_noted() -> None:
    names = ("a/b", "a:b", "CON", "..", "_negative", "nothing")
    data, losses = tagged_set([(name,) for name in names]), Problems()
    data.tags["nothing"] = TagInfo("nothing", "Negative")
    folders = sorted(name.partition("/")[0] for name in written(data, "folders", losses))
    assert folders == ["_", "_CON", "_negative", "_negative_2", "a_b", "a_b_2"]
    assert len(list(losses)) == 5


def test_boxes_are_lost_and_counted() -> None:
    losses = Problems()
    with pytest.raises(DataSetUnreadable, match="cannot have boxes"):
        written(boxed_set(3), "yolo-classification", losses)
    written(boxed_set(4), "folders", losses)
    assert [(loss.message, loss.count) for loss in losses] == [("Boxes are left out.", 6)]
