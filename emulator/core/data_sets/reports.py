"""What was found in a data set, and what an import of it adds."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from emulator.core.data_sets.adding import Added
from emulator.core.data_sets.checking import CheckedImage
from emulator.data_sets.record import DataSet, Problems


def report_of(
    data: DataSet,
    images: Sequence[CheckedImage],
    problems: Problems,
    parts: dict[str, int],
    added: Added,
) -> dict[str, Any]:
    """The report of a data set, as JSON of its import. parts: image counts of a divided data set."""
    tagged: Counter[str] = Counter()
    boxed: Counter[str] = Counter()
    untagged = 0
    for image in images:
        names = {*image.tags, *(box.tag for box in image.boxes)}
        tagged.update(names)
        boxed.update(box.tag for box in image.boxes)
        untagged += not names
    new = {name.casefold() for name in added.tags}
    return {
        "detection": data.detection,
        "image_count": len(images),
        "untagged_image_count": untagged,
        "box_count": boxed.total(),
        "parts": [{"name": name, "image_count": count} for name, count in sorted(parts.items())],
        "tags": [
            {
                "name": tag.name,
                "type": tag.type,
                "image_count": tagged[tag.name],
                "box_count": boxed[tag.name],
                "is_new": tag.name.strip().casefold() in new,
            }
            for tag in data.tags.values()
        ],
        "error_count": problems.error_count,
        "problems": [asdict(problem) for problem in problems],
        "problems_left_out": problems.left_out,
    } | counts_of(added)


def counts_of(added: Added) -> dict[str, Any]:
    """The part of a report about what is added."""
    return {
        "new_image_count": added.new_images,
        "known_image_count": added.known_images,
        "changed_image_count": added.changed_images,
        "new_box_count": added.boxes,
        "new_tag_count": len(added.tags),
    }
