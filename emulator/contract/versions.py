"""API versions: the known ones, and the known one that serves a version in a path."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Api = Literal["training", "prediction"]


@dataclass(frozen=True, order=True)
class Version:
    """A version of one API. Versions of one API compare in the order of their publication."""

    number: tuple[int, int]
    name: str
    api: Api

    def __str__(self) -> str:
        return self.name


def _version(api: Api, name: str) -> Version:
    major, minor = name.removesuffix("-preview").split(".")
    return Version((int(major), int(minor)), name, api)


VERSIONS: dict[Api, tuple[Version, ...]] = {
    "training": tuple(_version("training", name) for name in ("3.0", "3.1", "3.2", "3.3", "3.4-preview")),
    "prediction": tuple(_version("prediction", name) for name in ("3.0", "3.1")),
}

OLDEST_MAJOR = 3
_NUMBER = re.compile(r"v?(\d{1,6})(?:\.(\d{1,6}))?(?:[-.].*)?", re.IGNORECASE | re.DOTALL)


class RetiredVersion(Exception):
    """A version before 3.0; its paths and shapes were different."""


@lru_cache(maxsize=256)
def resolve(api: Api, text: str) -> tuple[Version, bool]:
    """The known version that serves `text` (``v3.3``), and whether the two are the same.

    An unknown version is served by the newest known one that is not newer, otherwise by the oldest. Raises
    RetiredVersion below 3.0 and ValueError when `text` is not a version.
    """
    known = VERSIONS[api]
    for version in known:
        if text.lower() == f"v{version.name}":
            return version, True
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValueError(text)
    number = (int(match[1]), int(match[2] or 0))
    if number[0] < OLDEST_MAJOR:
        raise RetiredVersion(text)
    older = [version for version in known if version.number <= number]
    return (older[-1] if older else known[0]), False
