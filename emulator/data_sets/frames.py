"""Boxes in fractions of the image as it is shown, whatever frame and unit the labels have."""

from io import BytesIO

from emulator.data_sets.record import ImageLabels, LabeledBox, Problems

# Boxes may exceed the edges by the rounding of labels with few digits, without being noted.
_ROUNDING = 1e-4
# Sizes of images that were resized after labeling differ by the rounding of their sides.
_SIMILAR_SHAPES = 0.02
_SMALLEST = 1e-7
_Sides = tuple[float, float, float, float]


def boxes_in_fractions(
    labels: ImageLabels, data: bytes, shown: tuple[int, int], problems: Problems
) -> tuple[LabeledBox, ...]:
    """The boxes of an image in fractions, cut at its edges, without empty and repeated ones.

    An image can be turned by its EXIF orientation. Labels that state its size before that are turned, too.
    What is changed is noted; an error is noted if the labels state the size of another image.

    Args:
        data: the bytes of the image.
        shown: its width and height in pixels, after its EXIF orientation is applied.
    """
    if not labels.boxes:
        return ()
    frame, turned = labels.size or shown, 1
    if labels.size is not None and labels.size != shown:
        stored_turned = _orientation(data)
        is_swapped = stored_turned >= 5 and _similar(labels.size, (shown[1], shown[0]))
        if is_swapped and not _similar(labels.size, shown):
            turned = stored_turned
            problems.note("Labels of images that EXIF turns are turned, too.", labels.place)
        elif _similar(labels.size, shown):
            problems.note("The labels are of the same image in another size.", labels.place)
        else:
            width, height = labels.size
            problems.error(
                f"The labels are of an image of {width} x {height} pixels; '{labels.file}' has "
                f"{shown[0]} x {shown[1]}.",
                labels.place,
            )
            return ()
    found: dict[tuple[str, _Sides], LabeledBox] = {}
    for box in labels.boxes:
        across, down = frame if labels.in_pixels else (1, 1)
        sides = box.left / across, box.top / down, box.width / across, box.height / down
        cut = _cut(_turned(sides, turned), labels, problems)
        if cut is None:
            continue
        if (box.tag, cut) in found:
            problems.note("Repeated boxes are left out.", labels.place)
            continue
        found[box.tag, cut] = LabeledBox(box.tag, *cut, id=box.id)
    return tuple(found.values())


def _cut(sides: _Sides, labels: ImageLabels, problems: Problems) -> _Sides | None:
    """The part of a box within the image; None when nothing is left."""
    left, top, width, height = sides
    right, bottom = left + width, top + height
    inside = max(0.0, left), max(0.0, top), min(1.0, right), min(1.0, bottom)
    if inside[2] - inside[0] < _SMALLEST or inside[3] - inside[1] < _SMALLEST:
        problems.note("Boxes without an area in the image are left out.", labels.place)
        return None
    if min(left, top) < -_ROUNDING or max(right, bottom) > 1 + _ROUNDING:
        problems.note("Boxes are cut at the edges of their images.", labels.place)
    if (left, top, right, bottom) == inside:
        return sides
    return inside[0], inside[1], inside[2] - inside[0], inside[3] - inside[1]


def _turned(sides: _Sides, orientation: int) -> _Sides:
    """A box in an image as it is shown, of the box in the image as it is stored."""
    left, top, width, height = sides
    right, bottom = 1 - left - width, 1 - top - height
    return {
        2: (right, top, width, height),
        3: (right, bottom, width, height),
        4: (left, bottom, width, height),
        5: (top, left, height, width),
        6: (bottom, left, height, width),
        7: (bottom, right, height, width),
        8: (top, right, height, width),
    }.get(orientation, sides)


def _similar(size: tuple[int, int], other: tuple[int, int]) -> bool:
    return abs(size[0] * other[1] / (size[1] * other[0]) - 1) < _SIMILAR_SHAPES


def _orientation(data: bytes) -> int:
    from PIL import Image

    from emulator.vision.imaging.opening import orientation

    with Image.open(BytesIO(data), formats=("JPEG", "PNG", "GIF", "BMP")) as image:
        return orientation(image)
