"""Reading and writing COCO: conventions, variants of other tools, and what is refused with its line."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from emulator.data_sets import formats
from emulator.data_sets.files import Files
from emulator.data_sets.reading import Reading
from emulator.data_sets.record import DataSet, DataSetUnreadable, LabeledBox, Problems
from tests.support.data_sets import boxed_set, reading_of, tagged_set, written, zip_of

IMAGE = {"id": 3, "file_name": "a.png", "width": 48, "height": 36}
CAT = {"id": 7, "name": "cat"}


def box(place: Any, **more: Any) -> dict[str, Any]:
    return {"id": 1, "image_id": 3, "category_id": 7, "bbox": place} | more


def coco(annotations: list[Any], images: list[Any] | None = None, categories: list[Any] | None = None) -> str:
    return json.dumps(
        {
            "images": [IMAGE] if images is None else images,
            "annotations": annotations,
            "categories": [CAT] if categories is None else categories,
        },
        indent=1,
    )


def read(text: str | bytes, **files: str) -> tuple[DataSet, dict[str, int], list[str]]:
    """The data set, its notes with counts, and its errors with their lines."""
    reading = reading_of({"labels/annotations.json": text, "labels/a.png": b"", **files})
    data = formats.read(reading)
    notes = {problem.message: problem.count for problem in reading.problems if not problem.is_error}
    errors = [f"{problem.line}: {problem.message}" for problem in reading.problems if problem.is_error]
    return data, notes, errors


def test_boxes_are_in_pixels_of_the_stated_size() -> None:
    data, notes, errors = read(coco([box([1.5, 2, 3.25, 4])]))
    (image,) = data.images
    assert (image.file, image.size, image.in_pixels) == ("a.png", (48, 36), True)
    assert image.boxes == (LabeledBox("cat", 1.5, 2.0, 3.25, 4.0),)
    assert (notes, errors, data.format, data.detection) == ({}, [], "coco", True)


def test_lists_come_in_any_order_and_ids_have_gaps() -> None:
    text = json.dumps({"annotations": [box([1, 2, 3, 4])], "categories": [CAT], "images": [IMAGE]})
    assert read(text)[0].images[0].boxes[0].tag == "cat"


def test_images_without_annotations_are_of_the_data_set() -> None:
    data, _, _ = read(coco([]))
    assert [image.boxes for image in data.images] == [()]
    assert list(data.tags) == ["cat"]


def test_boxes_within_0_and_1_are_fractions() -> None:
    data, notes, _ = read(coco([box([0.25, 0.25, 0.5, 0.5])]))
    assert not data.images[0].in_pixels
    assert list(notes) == ["All boxes are within 0 and 1: they are read as fractions."]


def test_annotations_without_a_box_are_tags() -> None:
    data, _, _ = read(coco([{"image_id": "3", "category_id": 7}]))
    assert (data.images[0].tags, data.images[0].boxes, data.detection) == (("cat",), (), False)


def test_crowds_are_left_out_and_polygons_become_boxes() -> None:
    polygon = {"image_id": 3, "category_id": 7, "segmentation": [[1, 2, 5, 2, 5, 9], [4, 4, 6, 8]]}
    data, notes, errors = read(coco([box([1, 2, 3, 4], iscrowd=1), polygon]))
    assert data.images[0].boxes == (LabeledBox("cat", 1, 2, 5, 7),)
    assert list(notes) == [
        "Boxes of crowds (iscrowd) are left out.",
        "Of polygons, the box around them is read.",
    ]
    assert errors == []


def test_azures_coco_url_names_the_image() -> None:
    url = "AmlDatastore://store/folder/a.png?sig=x"
    data, _, errors = read(coco([], images=[{"id": 3, "coco_url": url}]))
    assert (data.images[0].file, data.images[0].size, errors) == ("a.png", None, [])


def test_a_byte_order_mark_does_not_matter() -> None:
    assert read(b"\xef\xbb\xbf" + coco([]).encode())[0].images


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (coco([box([1, 2, 3])]), "20: A 'bbox' is not four numbers."),
        (coco([box([1, 2, "x", 4])]), "21: A 'bbox' is not four numbers."),
        (coco([box([1, 2, 3, 4], image_id=9)]), "21: An annotation names an image that is not in 'images'."),
        (
            coco([box([1, 2, 3, 4], category_id=9)]),
            "21: An annotation names a category that is not in 'categories'.",
        ),
        (coco([], images=[IMAGE, IMAGE]), "14: An image has no id of its own."),
        (coco([], images=[{**IMAGE, "file_name": "b.png"}]), "8: There is no image 'b.png'."),
        (coco([], categories=[{"id": 7, "name": " "}]), "15: A name of a tag is missing."),
    ],
)
def test_errors_have_their_lines(text: str, error: str) -> None:
    # The line is that at which the entry ends.
    assert read(text)[2] == [error]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('{"images": [],\n "annotations": [\n {"id": 1,}\n]}', 3, "It is not JSON: "),
        ('{"images": [],\n "annotations": [{"id": NaN}]}', 2, "It is not JSON: it has the number NaN."),
        ('{"images": [1], "annotations": []}', 1, "An entry of 'images' is no object."),
        ('{"images": {}, "annotations": []}', 1, "A list is expected, not '{'."),
        ('{"images": [], "annotations": []', 1, "It is not JSON: ',' or '}' is expected."),
        ('{"images": [], "categories": []}', None, "It has no images or no annotations."),
        ('{"images": [], "annotations": []} x', 1, "Something follows the end of the JSON value."),
        ('{"images": ' + "[" * 100_000, 1, "Its values are nested too deeply."),
    ],
)
def test_files_that_are_not_of_the_format_are_refused(text: str, line: int | None, message: str) -> None:
    with pytest.raises(DataSetUnreadable) as refused:
        read(text)
    assert str(refused.value).startswith(message)
    assert (refused.value.file, refused.value.line) == ("annotations.json", line)


def test_missing_images_can_be_left_out() -> None:
    reading = reading_of({"x.json": coco([box([1, 2, 3, 4])])}, missing_allowed=True)
    assert formats.read(reading).images == []
    assert [problem.is_error for problem in reading.problems] == [False]


def test_several_files_are_parts_with_images_in_folders_of_their_names() -> None:
    files = {
        "annotations/instances_train2017.json": coco([]),
        "annotations/instances_val2017.json": coco([box([1, 2, 3, 4])]),
        "annotations/captions_val2017.json": coco([{"image_id": 3, "caption": "x"}]),
        "train2017/a.png": "",
        "val2017/a.png": "",
    }
    reading = reading_of(files)
    images = formats.read(reading).images
    assert [(image.file, image.split, len(image.boxes)) for image in images] == [
        ("train2017/a.png", "train", 0),
        ("val2017/a.png", "val", 1),
    ]
    assert reading.problems.error_count == 0


def test_the_memory_is_that_of_the_boxes_and_not_of_the_file(tmp_path: Path) -> None:
    polygon = [round(number / 7, 3) for number in range(4_000)]
    labels = coco([box([1, 2, 3, 4], segmentation=[polygon])] * 200)
    size = len(labels)
    assert size > 5_000_000
    archive = tmp_path / "set.zip"
    archive.write_bytes(zip_of({"a.png": b"", "big.json": labels}))
    with archive.open("rb") as file:
        tracemalloc.start()
        try:
            data = formats.read(Reading(Files(file, archive.stat().st_size)))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert len(data.images[0].boxes) == 200
    assert peak < size / 4


def test_what_is_written_is_read_back_exactly() -> None:
    data = boxed_set(4)
    back = formats.read(reading_of(written(data, "coco")))
    assert list(back.tags) == list(data.tags)
    for image, again in zip(data.images, back.images, strict=True):
        assert image.size is not None
        width, height = image.size
        for one, other in zip(image.boxes, again.boxes, strict=True):
            assert other.left / width == pytest.approx(one.left, abs=1e-12)
            assert other.height / height == pytest.approx(one.height, abs=1e-12)


def test_tags_of_images_are_annotations_without_a_box_and_lost_beside_boxes() -> None:
    back = formats.read(reading_of(written(tagged_set([("a", "b"), (), ("b",)]), "coco")))
    assert [image.tags for image in back.images] == [("a", "b"), (), ("b",)]
    data, losses = boxed_set(2), Problems()
    data.images[0].tags = ("cat",)
    written(data, "coco", losses)
    assert [(loss.message, loss.count) for loss in losses] == [("Tags without a box are left out.", 1)]
