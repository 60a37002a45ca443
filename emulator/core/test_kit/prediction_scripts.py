"""Scripted predictions: what tests have set, in memory, and how often each was used."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import NamedTuple, TypeVar

from emulator.store.tables import Iteration
from emulator.vision.boxes.box import Box

_Response = TypeVar("_Response")


class ScriptedPrediction(NamedTuple):
    """A prediction of a script. Its tag has that id and that name; None: any.

    probability: 0..1, of single precision. box: of the object, for detectors.
    """

    tag_id: str | None
    tag_name: str | None
    probability: float
    box: Box | None = None


@dataclass(frozen=True)
class Script:
    """Predictions that replace those of the model for some calls.

    project_id, published_name, iteration_id: of the calls; None: any. image_sha256: of the bytes of the
    image, in lower case; None: any image. times: how many calls; None: all. used: by how many it was used.
    """

    id: str
    created: datetime
    project_id: str | None
    published_name: str | None
    iteration_id: str | None
    image_sha256: str | None
    times: int | None
    predictions: tuple[ScriptedPrediction, ...]
    used: int = 0

    @property
    def remaining(self) -> int | None:
        """For how many calls it is still to be used; None: for all."""
        return None if self.times is None else self.times - self.used

    @property
    def is_used_up(self) -> bool:
        """Whether it was used as often as intended: without `times`, at least once."""
        return self.used > 0 if self.times is None else self.used == self.times

    def is_for(self, iteration: Iteration, published_name: str | None) -> bool:
        return (
            self.project_id in (None, iteration.project_id)
            and self.iteration_id in (None, iteration.id)
            and self.published_name in (None, published_name)
        )


class PredictionScripts:
    """The scripts, in the order in which they were added. Its methods may be called by several threads.

    Of the scripts for a call, the first of these is used, and of several alike the oldest: one for the image
    with a number of calls, one for the image, one with a number of calls, one for all calls.

    Attributes:
        is_active: whether any script may be used by the next call.
    """

    def __init__(self) -> None:
        self.is_active = False
        self._scripts: dict[str, Script] = {}
        # Ids of the scripts that may still be used, as keys: in order, and quickly removed.
        self._by_image: dict[tuple[str, bool], dict[str, None]] = {}
        self._by_count: dict[bool, dict[str, None]] = {True: {}, False: {}}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._scripts)

    def add(self, script: Script) -> None:
        with self._lock:
            self._scripts[script.id] = script
            self._group(script)[script.id] = None
            self.is_active = True

    def all(self) -> list[Script]:
        with self._lock:
            return list(self._scripts.values())

    def get(self, id: str) -> Script | None:
        with self._lock:
            return self._scripts.get(id)

    def remove(self, id: str) -> bool:
        """Whether there was such a script."""
        with self._lock:
            script = self._scripts.pop(id, None)
            if script is not None:
                self._deactivate(script)
            return script is not None

    def clear(self) -> None:
        with self._lock:
            self._scripts.clear()
            self._by_image.clear()
            self._by_count = {True: {}, False: {}}
            self.is_active = False

    def digest(self, data: bytes) -> str:
        """The SHA-256 of an image; empty when no script is for one image."""
        return hashlib.sha256(data).hexdigest() if self._by_image else ""

    def has_one_for(self, iteration: Iteration, published_name: str | None, digest: str) -> bool:
        """Whether a call would use a script. digest: of the image, see `digest`."""
        with self._lock:
            return next(self._for_call(iteration, published_name, digest), None) is not None

    def use(
        self,
        iteration: Iteration,
        published_name: str | None,
        digest: str,
        respond: Callable[[Script], _Response],
    ) -> _Response | None:
        """The result of `respond` for the script of a call, which is then counted; None if there is none.

        Not counted when `respond` raises an exception. It is called with a lock held, so that exactly `times`
        of several concurrent calls use a script.
        """
        with self._lock:
            script = next(self._for_call(iteration, published_name, digest), None)
            if script is None:
                return None
            result = respond(script)
            script = self._scripts[script.id] = replace(script, used=script.used + 1)
            if script.remaining == 0:
                self._deactivate(script)
            return result

    def _for_call(self, iteration: Iteration, published_name: str | None, digest: str) -> Iterator[Script]:
        ids = chain(
            self._by_image.get((digest, True), ()),
            self._by_image.get((digest, False), ()),
            self._by_count[True],
            self._by_count[False],
        )
        return (
            script
            for script in map(self._scripts.__getitem__, ids)
            if script.is_for(iteration, published_name)
        )

    def _group(self, script: Script) -> dict[str, None]:
        is_counted = script.times is not None
        if script.image_sha256 is None:
            return self._by_count[is_counted]
        return self._by_image.setdefault((script.image_sha256, is_counted), {})

    def _deactivate(self, script: Script) -> None:
        group = self._group(script)
        group.pop(script.id, None)
        if script.image_sha256 is not None and not group:
            del self._by_image[script.image_sha256, script.times is not None]
        self.is_active = bool(self._by_image or any(self._by_count.values()))
