"""The recorder of forwarded calls: archives in the data folder, images by the rules for URLs of clients."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from emulator.core.context import Context
from emulator.core.fetching.client import fetch
from emulator.core.fetching.policy import FetchRejected
from emulator.pulling.recording.recorder import FileNotFetched, Recorder

_TIMEOUT_SECONDS = 60.0


def open_recorder(context: Context, folder: Path, upstream: str) -> Recorder:
    """The recorder with its archives in a folder.

    upstream: its endpoint, whose host may serve images whatever its address is.
    """
    policy = context.fetch_policy
    rules = replace(
        policy,
        mode="public" if policy.mode == "off" else policy.mode,
        allow=(*policy.allow, urlsplit(upstream).netloc),
        timeout_seconds=_TIMEOUT_SECONDS,
    )

    def fetched(uri: str, most: int) -> bytes:
        try:
            return fetch(uri, replace(rules, max_bytes=most))
        except FetchRejected as rejected:
            raise FileNotFetched(str(rejected)) from None

    return Recorder(folder, fetched)
