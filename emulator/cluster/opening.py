"""The cluster that the options name."""

import importlib.util
from typing import TYPE_CHECKING

from emulator.settings import Settings, StartRefused

if TYPE_CHECKING:
    from emulator.cluster.executor import ClusterExecutor


def open_cluster(settings: Settings) -> "ClusterExecutor | None":
    """What gives jobs to other machines, with ``--cluster``. Raises StartRefused."""
    if settings.cluster is None:
        return None
    for package in ("distributed", "obstore"):
        if importlib.util.find_spec(package) is None:
            raise StartRefused(
                f"--cluster needs the package {package}: pip install 'custom-vision-emulator[cluster]'"
            )
    from emulator.cluster.exchange import address_of  # here, for a fast start
    from emulator.cluster.executor import ClusterExecutor
    from emulator.vision.backbones.registry import FOLDER_NAME

    return ClusterExecutor(
        settings.cluster,
        address_of(settings.blobs, settings.data),
        settings.data,
        sent=(FOLDER_NAME,),
        jobs=settings.cluster_jobs,
    )
