"""What the server and the workers of a cluster tell each other, and the names of resources."""

from typing import NamedTuple

from emulator import __version__

# The resource of Dask that a job takes: workers of another version have none of it, so they get no jobs.
RESOURCE = "JOB"
# Trainings go to workers that have it, where there are any.
GPU = "GPU"
# The first fields of messages about progress on the topic of a server.
PROGRESS = "progress"


def job_resource(version: str = __version__) -> str:
    """The name of the resource of which a worker of a version has one for each job at a time."""
    return f"{RESOURCE}-{version}"


class Order(NamedTuple):
    """A job for a worker.

    version: of the server. token: of the submission, see `exchange`. store: the URL of the server's object
    store. topic: of Dask, for messages about progress. call: a function, its arguments and keywords, packed
    by `packing`. blobs: those that the call refers to. inputs: of a piece of a job, the tokens whose files it
    reads, beside its own; a job itself has none.
    """

    version: str
    token: str
    store: str
    topic: str
    call: bytes
    blobs: list[str]
    inputs: tuple[str, ...] = ()


class ClusterFailed(Exception):
    """The cluster cannot carry out the job; another attempt would not help. str() is a sentence."""
