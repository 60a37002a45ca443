"""Where a job or a piece of one is carried out, and how a piece is; in the child process of a worker.

Packages of the store are imported by jobs with pieces only.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from emulator.cluster.messages import Order
from emulator.vision.training.pieces import Outside

if TYPE_CHECKING:
    from emulator.cluster.packing import Packed

# Folders of the data folder that a worker keeps for later jobs.
CACHES = ("features", "number-formats")
_SCRATCH = "scratch"


class Setting(NamedTuple):
    """Where a job or a piece is carried out.

    scheduler, worker: their addresses. order: of the job. store: the URL of the object store as this machine
    sees it. blobs: the folder of the images. folder: of the files of this job. kept: of those that stay.
    run: what a worker calls with an order.
    """

    scheduler: str
    worker: str
    order: Order
    store: str
    blobs: Path
    folder: Path
    kept: Path
    run: Callable[[tuple[Any, ...]], Any]

    def file(self, path: str) -> Path:
        """Where a path of the data folder is here."""
        is_cache = path.partition("/")[0] in CACHES
        return (self.kept if is_cache else self.folder) / path

    def packed(self, value: object) -> "Packed":
        """`packing.pack`, for another machine."""
        from emulator.cluster.packing import pack

        return pack(value, self.folder, self.kept, self.blobs)

    def unpacked(self, content: bytes) -> Any:
        """`packing.unpack`, of another machine."""
        from emulator.cluster.packing import unpack
        from emulator.store.blobs import blob_path

        return unpack(content, lambda name: blob_path(self.blobs, name), self.file)


def call_with_setting(setting: Setting, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call the function of a piece."""
    return function(setting, *args, **kwargs)


def carry_out(
    setting: Setting,
    function: Callable[[Any, Any, Outside], Any],
    shared: Path,
    item: Any,
    seconds: float,
    result: Path,
    *,
    progress: Callable[[float, str], None],
) -> Path:
    """Carry out a piece, and write its result into the file `result`, whose path is returned.

    Raises what the piece raises.

    Args:
        shared: the file with what all pieces of the job need.
        seconds: that the piece may take.
    """
    started = time.monotonic()
    content = setting.unpacked(shared.read_bytes())
    scratch = setting.folder / _SCRATCH
    scratch.mkdir()
    outside = Outside(seconds - (time.monotonic() - started), scratch)
    result.write_bytes(setting.packed(function(content, item, outside)).content)
    return result
