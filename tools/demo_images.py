"""Make a small set of photographs of three kinds of ground to try the emulator with.

    python tools/demo_images.py FOLDER

writes FOLDER/<tag>/*.jpg to train on (16 for each tag: brick, grass, gravel), FOLDER/unseen/<tag>/*.jpg to
predict (4 for each tag), and FOLDER/SOURCES.txt. They are crops of three photographs in the package
scikit-image, all under the Creative Commons CC0 license (public domain). Crops to predict come from a
strip of each photograph that no training crop overlaps. Nothing is downloaded, and the files are the same
each time.
"""

import argparse
import random
import shutil
import sys
from importlib import resources
from pathlib import Path

from PIL import Image

SOURCES = {
    "brick": "https://cc0textures.com/view.php?tex=Bricks25",
    "grass": "https://www.deviantart.com/linolafett/art/Grass-01-434853879",
    "gravel": "https://cc0textures.com/view.php?tex=Gravel04",
}
TRAINING_CROPS = 16
UNSEEN_CROPS = 4
# The photographs have 512 x 512 pixels. Training crops are left of this column, crops to predict right.
DIVIDE = 352
SMALLEST_CROP, LARGEST_CROP = 120, 240
WRITTEN_SIDE = 320


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="folder for the photographs; created if it does not exist")
    folder: Path = parser.parse_args().folder
    try:
        photographs = {tag: open_photograph(tag) for tag in SOURCES}
    except (ModuleNotFoundError, FileNotFoundError) as error:
        print(
            f"The photographs come from the package scikit-image; install it first ({error}).",
            file=sys.stderr,
        )
        return 1
    for tag, photograph in photographs.items():
        write_crops(photograph, training_boxes(photograph, tag), folder / tag, tag)
    (folder / "SOURCES.txt").write_text(sources(), encoding="utf-8")
    # Written last and renamed when complete: its presence means that no file is missing.
    unfinished = folder / ".unseen"
    shutil.rmtree(unfinished, ignore_errors=True)
    for tag, photograph in photographs.items():
        write_crops(photograph, unseen_boxes(photograph), unfinished / tag, f"unseen_{tag}")
    shutil.rmtree(folder / "unseen", ignore_errors=True)
    unfinished.rename(folder / "unseen")
    print(
        f"{folder}: {', '.join(SOURCES)}; {TRAINING_CROPS} photographs per tag to train on, "
        f"{UNSEEN_CROPS} per tag to predict"
    )
    return 0


def open_photograph(tag: str) -> Image.Image:
    with (resources.files("skimage") / "data" / f"{tag}.png").open("rb") as file:
        return Image.open(file).convert("RGB")


def training_boxes(photograph: Image.Image, tag: str) -> list[tuple[int, int, int, int]]:
    """Random squares of different sizes left of the divide."""
    chance = random.Random(tag)
    boxes = []
    for _ in range(TRAINING_CROPS):
        side = chance.randint(SMALLEST_CROP, LARGEST_CROP)
        left, top = chance.randint(0, DIVIDE - side), chance.randint(0, photograph.height - side)
        boxes.append((left, top, left + side, top + side))
    return boxes


def unseen_boxes(photograph: Image.Image) -> list[tuple[int, int, int, int]]:
    """Squares in a column right of the divide."""
    side = photograph.height // UNSEEN_CROPS
    left = (DIVIDE + photograph.width - side) // 2
    return [(left, side * number, left + side, side * (number + 1)) for number in range(UNSEEN_CROPS)]


def write_crops(
    photograph: Image.Image, boxes: list[tuple[int, int, int, int]], folder: Path, name: str
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, box in enumerate(boxes, start=1):
        crop = photograph.resize((WRITTEN_SIDE, WRITTEN_SIDE), Image.Resampling.LANCZOS, box=box)
        crop.save(folder / f"{name}_{number:02}.jpg", quality=92)


def sources() -> str:
    lines = [
        "Crops, enlarged, of photographs that come inside the package scikit-image.",
        "All three are under the Creative Commons CC0 license (public domain).",
        "",
        *(f"{tag}: {address}" for tag, address in SOURCES.items()),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
