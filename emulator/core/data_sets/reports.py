"""What was found in a data set, and what an import of it adds, in the shape of the contract."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from emulator.core.data_sets.adding import Added
from emulator.core.data_sets.checking import CheckedImage
from emulator.datasets.record import DataSet, Problems


def report_of(
    data: DataSet,
    images: Sequence[CheckedImage],
    problems: Problems,
    parts: dict[str, int],
    added: Added,
) -> dict[str, Any]:
    """The report of a data set. parts: numbers of images, by the parts of a divided data set."""
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
        "imageCount": len(images),
        "untaggedImageCount": untagged,
        "boxCount": boxed.total(),
        "parts": [{"name": name, "imageCount": count} for name, count in sorted(parts.items())],
        "tags": [
            {
                "name": tag.name,
                "type": tag.type,
                "imageCount": tagged[tag.name],
                "boxCount": boxed[tag.name],
                "isNew": tag.name.strip().casefold() in new,
            }
            for tag in data.tags.values()
        ],
        "errorCount": problems.error_count,
        "problems": [
            {
                "isError": problem.is_error,
                "message": problem.message,
                "file": problem.file,
                "line": problem.line,
                "count": problem.count,
            }
            for problem in problems
        ],
        "problemsLeftOut": problems.left_out,
    } | counts_of(added)


def counts_of(added: Added) -> dict[str, Any]:
    """What is added."""
    return {
        "newImageCount": added.new_images,
        "knownImageCount": added.known_images,
        "changedImageCount": added.changed_images,
        "newBoxCount": added.boxes,
        "newTagCount": len(added.tags),
    }
