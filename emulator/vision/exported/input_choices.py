"""Preprocessing that a user chooses for an exported model, instead of what its files say.

As text, choices are ``NAME=VALUE`` pairs with commas between them, such as ``channels=bgr,range=0-1``. In an
export they are in the file `CHOICES_FILE`, a JSON object of the same names and values, so that an imported
model keeps them.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from io import BytesIO
from typing import Any, Literal, Self

# How an image is fitted into the input; `preprocess.Preprocessing` describes each.
Fit = Literal["stretch", "centre square", "centre of resized", "keep aspect"]

CHOICES_FILE = "custom-vision-emulator.json"
SIDES = (16, 2048)
_CROPS: Mapping[str, Fit] = {
    "stretch": "stretch",
    "center-square": "centre square",
    "center-of-resized": "centre of resized",
    "keep-aspect": "keep aspect",
}
_RANGES = {"0-255": 1, "0-1": 255}


def _one_of(values: Mapping[str, Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        if text not in values:
            raise ValueError(f"is not one of: {', '.join(values)}")
        return values[text]

    return read


def _side(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and SIDES[0] <= int(text) <= SIDES[1]):
        raise ValueError(f"is not a number of pixels from {SIDES[0]} to {SIDES[1]}")
    return int(text)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    try:
        return _side(width), _side(height)
    except ValueError:
        raise ValueError(
            f"is not WIDTHxHEIGHT in pixels, each from {SIDES[0]} to {SIDES[1]}, such as 224x224"
        ) from None


def _mean(text: str) -> tuple[float, float, float]:
    try:
        red, green, blue = (float(part) for part in text.split("/"))
    except ValueError:
        red = green = blue = -1
    if not all(0 <= value <= 255 for value in (red, green, blue)):
        raise ValueError("is not RED/GREEN/BLUE, each from 0 to 255, such as 124/117/105")
    return red, green, blue


_READERS: Mapping[str, Callable[[str], Any]] = {
    "crop": _one_of(_CROPS),
    "size": _size,
    "resize": _side,
    "channels": _one_of({"rgb": False, "bgr": True}),
    "range": _one_of(_RANGES),
    "antialias": _one_of({"yes": True, "no": False}),
    "mean": _mean,
}


@dataclass(frozen=True)
class InputChoices:
    """The choices; None for those that are left to the files of the export.

    Attributes:
        crop: as `Preprocessing.fit`.
        size: width and height of the input in pixels; for "keep aspect" its product is the number of pixels.
        resize: length in pixels of the shorter side before the crop, for "centre of resized".
        channels: whether blue comes first.
        range: 1 for values 0 to 255, 255 for 0 to 1.
        antialias: whether pixels are averaged when an image is made smaller.
        mean: subtracted from the values: red, green, blue, 0 to 255; zeros for none.
    """

    crop: Fit | None = None
    size: tuple[int, int] | None = None
    resize: int | None = None
    channels: bool | None = None
    range: int | None = None
    antialias: bool | None = None
    mean: tuple[float, float, float] | None = None

    @classmethod
    def from_texts(cls, texts: Mapping[str, str]) -> Self:
        """Parse values by their names. Raises ValueError, whose message starts with the name."""
        values = {}
        for name, text in texts.items():
            if name not in _READERS:
                raise ValueError(f"{name[:40]!r} is not one of: {', '.join(_READERS)}")
            try:
                values[name] = _READERS[name](text.strip().lower().replace("centre", "center"))
            except ValueError as error:
                raise ValueError(f"{name}: {text[:40]!r} {error}") from None
        return cls(**values)

    def over(self, others: InputChoices) -> InputChoices:
        """These choices, and those of `others` where these have none."""
        return replace(others, **self.given)

    @property
    def given(self) -> dict[str, Any]:
        """The choices that were made, by name."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


NO_CHOICES = InputChoices()


def texts_of(text: str) -> dict[str, str]:
    """Names and values in ``NAME=VALUE[,NAME=VALUE...]``. Raises ValueError."""
    found: dict[str, str] = {}
    for pair in text.split(","):
        name, equals, value = pair.partition("=")
        name = name.strip().lower()
        if not equals:
            raise ValueError(f"{pair[:40]!r} is not of the form NAME=VALUE")
        if name in found:
            raise ValueError(f"{name[:40]!r} is given twice")
        found[name] = value.strip()
    return found


def read_choices(text: str) -> InputChoices:
    """The choices in ``NAME=VALUE[,NAME=VALUE...]``. Raises ValueError."""
    return InputChoices.from_texts(texts_of(text))


def choices_in(content: Mapping[str, object]) -> InputChoices:
    """The choices in the content of `CHOICES_FILE`. Raises ValueError."""
    texts = {}
    for name, value in content.items():
        if not isinstance(value, str):
            raise ValueError(f"{name[:40]!r} is not a text")
        texts[name] = value
    return InputChoices.from_texts(texts)


def with_choices(export: bytes, texts: Mapping[str, str]) -> bytes:
    """The zip of an export with the file `CHOICES_FILE`, which it does not have yet."""
    buffer = BytesIO(export)
    with zipfile.ZipFile(buffer, "a") as archive:
        # A fixed date, so that the same import always gives the same bytes.
        archive.writestr(zipfile.ZipInfo(CHOICES_FILE), json.dumps(dict(texts)))
    return buffer.getvalue()
