"""Reading and writing Pascal VOC and CVAT."""

import pytest

from emulator.data_sets import formats
from emulator.data_sets.record import DataSet, DataSetUnreadable, LabeledBox, Problems
from tests.support.data_sets import boxed_set, reading_of, tagged_set, written

VOC = """<annotation>
  <filename>a.png</filename>
  <size><width>48</width><height>36</height><depth>3</depth></size>
  <object><name>cat</name><difficult>{difficult}</difficult>
    <bndbox><xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox></object>
</annotation>
"""
CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <meta><task><labels><label><name>cat</name></label><label><name>dog</name></label></labels></task></meta>
  <image id="0" name="{name}" width="48" height="36"{more}>
    {content}
  </image>
</annotations>
"""


def voc(*corners: object, difficult: int = 0) -> str:
    return VOC.format(*corners, difficult=difficult)


def cvat(content: str, name: str = "a.png", more: str = "") -> str:
    return CVAT.format(content=content, name=name, more=more)


def read(**files: str) -> tuple[DataSet, list[str], list[str]]:
    named = {name.replace("__", "/").replace("_xml", ".xml"): content for name, content in files.items()}
    reading = reading_of({"a.png": "", **named})
    data = formats.read(reading)
    notes = [problem.message for problem in reading.problems if not problem.is_error]
    errors = [f"{problem.line}: {problem.message}" for problem in reading.problems if problem.is_error]
    return data, notes, errors


# --- Pascal VOC ---------------------------------------------------------------------------------------------


def test_pixels_of_the_devkit_are_counted_from_1() -> None:
    data, notes, _ = read(a_xml=voc(1, 1, 48, 36))
    assert data.format == "voc"
    assert data.images[0].boxes == (LabeledBox("cat", 0, 0, 48, 36),)
    assert data.images[0].size == (48, 36)
    assert notes == ["No corner is 0 or has decimals: pixels are counted from 1, as by the devkit."]


@pytest.mark.parametrize(
    "other", [voc(0, 3, 8, 9), voc(3, 0, 8, 9), voc("1.5", 3, 8, 9), voc("1.0", 3, 8, 9)]
)
def test_a_corner_at_0_or_with_decimals_means_that_all_are_counted_from_0(other: str) -> None:
    data, notes, _ = read(a_xml=voc(1, 2, 11, 12), b_xml=other)
    assert data.images[0].boxes == (LabeledBox("cat", 1, 2, 10, 10),)
    assert notes == []


def test_images_are_found_beside_the_folder_of_annotations_and_lists_are_parts() -> None:
    reading = reading_of(
        {
            "VOC2012/Annotations/a.xml": voc(0, 0, 9, 9, difficult=1),
            "VOC2012/JPEGImages/a.png": "",
            "VOC2012/JPEGImages/b.png": "",
            "VOC2012/ImageSets/Main/train.txt": "a\n",
            "VOC2012/ImageSets/Main/val.txt": "b\n",
            "VOC2012/ImageSets/Main/trainval.txt": "a\nb\n",
            "VOC2012/ImageSets/Main/cat_val.txt": "a 1\n",
        }
    )
    data = formats.read(reading)
    assert [(image.file, image.split, len(image.boxes)) for image in data.images] == [
        ("JPEGImages/a.png", "train", 1),
        ("JPEGImages/b.png", "val", 0),
    ]
    notes = [problem.message for problem in reading.problems]
    assert notes == ["Objects that are marked as difficult are objects like all others."]


def test_wrong_objects_have_their_line() -> None:
    _, _, errors = read(a_xml=voc(1, "x", 3, 4))
    assert errors == ["4: A corner of a 'bndbox' is no number."]
    _, _, errors = read(a_xml=voc(1, 2, 3, 4).replace("cat", ""))
    assert errors == ["4: A name of a tag is missing."]
    _, _, errors = read(a_xml=voc(1, 2, 3, 4).replace("a.png", "b.png"))
    assert errors == ["1: There is no image 'b.png'."]


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("<annotation>\n<object>\n</annotation>", "It is not XML: mismatched tag.", 3),
        ("<annotation>", "It is not XML: no element found.", 1),
        (
            '<!DOCTYPE a [<!ENTITY a "aaaaaa">\n<!ENTITY b "&a;&a;">]>\n<annotation>&b;</annotation>',
            "It has XML entities, which are not read.",
            1,
        ),
        (
            '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation>&x;</annotation>',
            "It has XML entities, which are not read.",
            1,
        ),
        ("<annotation>" + "<a>" * 100 + "</a>" * 100 + "</annotation>", "Its elements are nested too", None),
    ],
)
def test_other_xml_is_refused(text: str, message: str, line: int | None) -> None:
    with pytest.raises(DataSetUnreadable) as refused:
        read(a_xml=text)
    assert str(refused.value).startswith(message)
    assert (refused.value.file, refused.value.line) == ("a.xml", line)


# --- CVAT ---------------------------------------------------------------------------------------------------


def test_boxes_and_tags_of_cvat() -> None:
    content = '<box label="cat" xtl="1.5" ytl="2" xbr="4" ybr="6"/><tag label="dog"></tag>'
    data, notes, errors = read(annotations_xml=cvat(content))
    (image,) = data.images
    assert (data.format, image.size, image.in_pixels, list(data.tags)) == (
        "cvat",
        (48, 36),
        True,
        ["cat", "dog"],
    )
    assert (image.boxes, image.tags) == ((LabeledBox("cat", 1.5, 2, 2.5, 4),), ("dog",))
    assert (notes, errors) == ([], [])


def test_other_shapes_attributes_and_tracks_are_noted() -> None:
    content = (
        '<polygon label="cat" points="1,2;5,2;3,9"/>\n'
        '<ellipse label="cat" cx="1" cy="1" rx="1" ry="1"/>\n'
        '<box label="cat" xtl="0" ytl="0" xbr="4" ybr="6" rotation="30">'
        '<attribute name="x">1</attribute></box>'
    )
    text = cvat(content).replace("</annotations>", '<track id="0" label="cat"></track></annotations>')
    data, notes, errors = read(annotations_xml=text)
    assert data.images[0].boxes == (LabeledBox("cat", 1, 2, 4, 7), LabeledBox("cat", 0, 0, 4, 6))
    assert notes == [
        "Of polygons, the box around them is read.",
        "Shapes of the kind 'ellipse' are left out.",
        "Attributes of labels are left out.",
        "Boxes that are turned are read as they are before the turn.",
        "Tracks of videos are left out.",
    ]
    assert errors == []


def test_subsets_of_cvat_are_folders() -> None:
    text = cvat("", more=' subset="Train"')
    reading = reading_of({"annotations.xml": text, "images/Train/a.png": "", "images/Test/a.png": ""})
    assert [(image.file, image.split) for image in formats.read(reading).images] == [
        ("images/Train/a.png", "train")
    ]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ('<box label="cat" xtl="1" ytl="x" xbr="2" ybr="2"/>', "5: A corner of a box is no number."),
        ('<box xtl="1" ytl="1" xbr="2" ybr="2"/>', "5: A name of a tag is missing."),
        ('<polygon label="cat" points="1,2;3"/>', "5: A point of a polygon is no pair of numbers."),
    ],
)
def test_wrong_shapes_have_their_line(content: str, error: str) -> None:
    assert read(annotations_xml=cvat(content))[2] == [error]


@pytest.mark.parametrize("name", ["voc", "cvat"])
def test_what_is_written_is_read_back_within_a_hundredth_of_a_pixel(name: str) -> None:
    data = boxed_set(4)
    reading = reading_of(written(data, name))
    back = formats.read(reading)
    assert [problem.message for problem in reading.problems] == []
    by_file = {image.file.rpartition("/")[2]: image for image in back.images}
    for image in data.images:
        again = by_file[image.file]
        assert again.size == image.size == (640, 427)
        for one, other in zip(image.boxes, again.boxes, strict=True):
            assert other.tag == one.tag
            assert other.left == pytest.approx(one.left * 640, abs=1e-6)
            assert other.top + other.height == pytest.approx((one.top + one.height) * 427, abs=2e-6)


def test_tags_with_any_characters_survive_cvat() -> None:
    names = ('a "b" <c> & d', "ä'", "x\ty")
    back = formats.read(reading_of(written(tagged_set([(name,) for name in names]), "cvat")))
    assert [image.tags for image in back.images] == [(name,) for name in names]


def test_voc_says_that_it_has_no_tags_of_images() -> None:
    data, losses = boxed_set(2), Problems()
    data.images[0].tags = ("cat",)
    written(data, "voc", losses)
    assert [(loss.message, loss.count) for loss in losses] == [("Tags without a box are left out.", 1)]
