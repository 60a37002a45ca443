"""Number formats of trainings on the processor: the fastest one, by measurement.

Flags of a processor do not tell which format is fast: with AVX512-BF16 bfloat16 takes half the time of
float32, on some processors without matrix units it takes twice the time. So the layers in question are run in
each format, once for each processor, version of PyTorch and network; the choice is stored, because it
determines the last digits of a model.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

from emulator.durable_files import write_atomically
from emulator.vision.training.errors import LossNotFinite

if TYPE_CHECKING:
    from emulator.vision.networks.graph import Operation

_log = logging.getLogger(__name__)

FormatSetting = Literal["measured", "float32", "bfloat16"]

# A format replaces one that is preferred only if it takes less than this fraction of its time: small
# differences must not change the choice, and with it the bytes of models.
_CLEARLY_FASTER = 0.8
# Timed runs of each format, of which the fastest counts: at least two; no more after `_ENOUGH_SECONDS` of
# processor time.
_LEAST_ROUNDS, _MOST_ROUNDS = 2, 15
_ENOUGH_SECONDS = 0.2
# A format is given up after its first run, which also compiles, if that took this many times as long as it
# should; runs that should take less than `_LONG` seconds are always repeated.
_HOPELESS, _LONG = 1.7, 0.2
_FORMAT = 1

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@dataclass(frozen=True)
class NumberFormat:
    """How layers are computed.

    Attributes:
        bfloat16: in bfloat16 instead of float32.
        channels_last: the channels of a pixel lie beside each other in memory (N, height, width, channels).
    """

    bfloat16: bool = False
    channels_last: bool = True

    def __str__(self) -> str:
        number = "bfloat16" if self.bfloat16 else "float32"
        return f"{number}, channels {'last' if self.channels_last else 'first'}"


FLOAT32, BFLOAT16 = NumberFormat(), NumberFormat(bfloat16=True)


@dataclass(frozen=True)
class _Place:
    """Where choices are stored and what is required: `number_formats_from`.

    Choices are by the descriptions of layers, processor and PyTorch. required: those of another process.
    used: those so far.
    """

    folder: Path | None = None
    setting: FormatSetting = "measured"
    required: Mapping[str, NumberFormat] = field(default_factory=dict)
    used: dict[str, NumberFormat] = field(default_factory=dict)


_place: ContextVar[_Place | None] = ContextVar("number formats", default=None)
# The choices of this process, for trainings without a folder.
_known: dict[str, NumberFormat] = {}


@dataclass(frozen=True)
class FormatsInUse:
    """The setting and the choices of a training, for its pieces in other processes."""

    setting: FormatSetting
    choices: Mapping[str, NumberFormat]


def formats_in_use() -> FormatsInUse:
    """Those of the context, so far."""
    place = _place.get() or _Place(used=_known)
    return FormatsInUse(place.setting, dict(place.used))


@contextmanager
def number_formats_of(formats: FormatsInUse) -> Iterator[None]:
    """Within the block, the choices are those of another process; others are measured, and not stored."""
    token = _place.set(_Place(None, formats.setting, dict(formats.choices)))
    try:
        yield
    finally:
        _place.reset(token)


@contextmanager
def number_formats_from(folder: Path | None, setting: FormatSetting = "measured") -> Iterator[None]:
    """Within the block, choices are read from and written to a folder, and a setting may force one.

    Args:
        folder: created when needed; None: choices hold for this process.
        setting: "measured", or the number type of all layers; the order of channels is then channels last.
    """
    token = _place.set(_Place(folder, setting))
    try:
        yield
    finally:
        _place.reset(token)


def with_number_formats(
    folder: Path | None,
    setting: FormatSetting,
    function: Callable[Arguments, Result],
    /,
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> Result:
    """Call a function within `number_formats_from`; for calls that another process makes."""
    with number_formats_from(folder, setting):
        return function(*args, **kwargs)


def fastest_format(
    layers: str,
    run: Callable[[NumberFormat], object],
    *,
    channels_first: bool = True,
    clock: Callable[[], float] = time.thread_time,
) -> NumberFormat:
    """The format for layers on this processor: the stored choice, else the one that a measurement finds.

    float32 with channels last is preferred; bfloat16 and then channels first replace it only where they take
    less than four fifths of the time.

    Args:
        layers: a description that is different for other layers and for other sizes of their input.
        run: computes the layers once in a format. Called on this thread, six to fifty times in all.
        channels_first: whether channels first are tried.
        clock: seconds of processor time of the calling thread: other programs do not count.
    """
    place = _place.get() or _Place()
    if place.setting != "measured":
        return BFLOAT16 if place.setting == "bfloat16" else FLOAT32
    key = f"{layers}; {processor_model()}; {_pytorch()}"
    choice = place.required.get(key)
    if choice is None:
        choice = _chosen(place.folder, key, lambda: _measured(layers, run, channels_first, clock))
        place.used[key] = choice
    return choice


def _chosen(
    folder: Path | None, key: str, measure: Callable[[], tuple[NumberFormat, dict[str, float]]]
) -> NumberFormat:
    """The choice in a folder or of this process; measured if there is none."""
    if folder is not None:
        try:
            return _stored(folder, key, measure)
        except OSError as error:
            _log.warning("Measured number formats cannot be stored in %s: %s", folder, error)
    if key not in _known:
        _known[key] = measure()[0]
    return _known[key]


def _stored(
    folder: Path, key: str, measure: Callable[[], tuple[NumberFormat, dict[str, float]]]
) -> NumberFormat:
    """The choice in a folder; measured and written if it is not there. Raises OSError."""
    from filelock import FileLock

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
    # Two workers do not measure at the same time, and both use the first choice.
    with FileLock(folder / ".lock"):
        choice = _read(path, key)
        if choice is None:
            choice, seconds = measure()
            content = {"format": _FORMAT, "layers": key, "choice": asdict(choice), "seconds": seconds}
            write_atomically(path, (json.dumps(content, indent=1) + "\n").encode())
    return choice


def _read(path: Path, key: str) -> NumberFormat | None:
    """The choice in a file; None if there is none or the file is damaged."""
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != _FORMAT or content["layers"] != key:
            return None
        return NumberFormat(
            bfloat16=content["choice"]["bfloat16"] is True,
            channels_last=content["choice"]["channels_last"] is True,
        )
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        _log.warning("%s is damaged and is measured again: %s", path, error)
        return None


def _measured(
    layers: str, run: Callable[[NumberFormat], object], channels_first: bool, clock: Callable[[], float]
) -> tuple[NumberFormat, dict[str, float]]:
    """The choice, and the seconds of a run in each format."""
    seconds = _seconds_of((FLOAT32, BFLOAT16), run, clock)
    choice = BFLOAT16 if seconds[BFLOAT16] < _CLEARLY_FASTER * seconds[FLOAT32] else FLOAT32
    if channels_first:
        first = replace(choice, channels_last=False)
        again = _seconds_of((choice, first), run, clock)
        seconds[first] = again[first]
        if again[first] < _CLEARLY_FASTER * min(again[choice], seconds[choice]):
            choice = first
    named = {str(each): round(taken, 5) for each, taken in seconds.items() if math.isfinite(taken)}
    _log.info("%s: %s (seconds a run: %s)", layers, choice, named)
    return choice, named


def _seconds_of(
    formats: Sequence[NumberFormat], run: Callable[[NumberFormat], object], clock: Callable[[], float]
) -> dict[NumberFormat, float]:
    """The shortest duration of a run in each format; infinite where it cannot be used or is hopeless.

    The formats take turns, so that a change of the processor's speed affects all of them. The first run of
    each allocates memory and does not count.
    """
    started = clock()

    def timed(each: NumberFormat) -> float:
        before = clock()
        try:
            run(each)
        except (RuntimeError, LossNotFinite) as error:
            if each == FLOAT32:
                raise
            _log.info("%s cannot be used: %s", each, error)
            return math.inf
        return clock() - before

    first_runs = {each: timed(each) for each in formats}
    limit = _HOPELESS * max(first_runs[formats[0]], _LONG)
    candidates = [each for each in formats if first_runs[each] <= limit]
    seconds = dict.fromkeys(formats, math.inf)
    for number in range(_MOST_ROUNDS):
        if number >= _LEAST_ROUNDS and clock() - started > _ENOUGH_SECONDS:
            break
        for each in candidates:
            seconds[each] = min(seconds[each], timed(each))
    return seconds


def layers_digest(operations: Sequence[Operation], weights: Mapping[str, Any]) -> str:
    """A short text that differs between lists of operations and between shapes of weights."""
    shapes = sorted((name, tuple(weight.shape)) for name, weight in weights.items())
    return hashlib.sha256(repr((tuple(operations), shapes)).encode()).hexdigest()[:16]


def processor_model() -> str:
    """The model of the processor, as the operating system names it."""
    if not _model:
        _model.append(_processor_model())
    return _model[0]


_model: list[str] = []


def _processor_model() -> str:
    found = ""
    try:
        if sys.platform == "darwin":
            command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
            found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
        elif os.name != "nt":
            described = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
            pairs = (line.partition(":") for line in reversed(described))
            fields = {name.strip(): value.strip() for name, _, value in pairs}
            # ARM has numbers instead of a name.
            parts = ("model name", "CPU implementer", "CPU part", "cpu family", "model", "stepping")
            found = " ".join(fields[part] for part in parts if part in fields)
    except (OSError, subprocess.SubprocessError) as error:
        _log.info("The model of the processor is unknown: %s", error)
    return found or platform.processor() or platform.machine()


def _pytorch() -> str:
    import torch

    return f"PyTorch {torch.__version__} {torch.backends.cpu.get_cpu_capability()}"
