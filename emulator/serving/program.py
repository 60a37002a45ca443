"""The process that serves one exported model, from its settings to its exit status."""

from __future__ import annotations

import contextlib
import gc
import logging
import sys

from emulator import __version__
from emulator.server.tls import authority_context, check_https
from emulator.server.uvicorn_server import (
    line_buffer_output,
    opened_listeners,
    serve_until_stopped,
)
from emulator.serving.settings import ServingSettings
from emulator.settings import StartRefused, default_data_folder
from emulator.settings.addresses import is_loopback
from emulator.settings.https import authority_folder, local_endpoint, local_https_endpoint, server_names
from emulator.vision.imaging.memory import limit_malloc_arenas, trim_heap


def run(settings: ServingSettings) -> int:
    """Serve until a signal; returns the exit status of the process.

    Raises:
        StartRefused: the export cannot be served, or the port is taken.
    """
    limit_malloc_arenas()
    gc.disable()  # during the start, whose objects stay alive; `serve_until_stopped` enables it again
    line_buffer_output()
    logging.basicConfig(
        level=settings.log_level.upper(),
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    tls = check_https(settings)
    if settings.https == "auto":
        tls = authority_context(authority_folder(settings, default_data_folder), server_names(settings))
    with opened_listeners(settings, tls) as listeners:
        from emulator.core.fetching.client import FetchPolicy
        from emulator.core.rules.limits import PREDICTION_IMAGE_BYTES
        from emulator.serving.app import serving_app
        from emulator.serving.scoring import Scorer
        from emulator.vision.exported.model import load_export
        from emulator.vision.imaging.decode import silence_pillow_warnings
        from emulator.vision.onnx_runtime import ModelUnusable

        silence_pillow_warnings()
        try:
            policy = FetchPolicy(
                max_bytes=PREDICTION_IMAGE_BYTES, mode=settings.url_fetch, allow=settings.url_allow
            )
        except ValueError as error:
            raise StartRefused(f"--url-allow: {error}") from None
        try:
            scorer = Scorer(load_export(settings.model, choices=settings.preprocessing), policy)
        except OSError as error:
            raise StartRefused(f"cannot read {str(settings.model)!r}: {error.strerror or error}") from None
        except ModelUnusable as error:
            raise StartRefused(f"{settings.model.name}: {error}") from None
        trim_heap()  # loading the model leaves 20 MB of freed memory in the heap
        keys = tuple(dict.fromkeys(settings.keys or ()))
        if not keys and not is_loopback(settings.host):
            print(
                f"Other machines can reach {settings.host}, and no key is required (--key).", file=sys.stderr
            )
        if not keys and {"*", "null"} & {*settings.cors_origins}:
            print(
                "Every web page that a browser on this machine shows can use the model (--cors-origin).",
                file=sys.stderr,
            )
        application = serving_app(
            scorer,
            keys,
            settings.model_name,
            cors_origins=settings.cors_origins,
            # Without a key, and only reachable from this machine: see `emulator.gateway.hosts`.
            allowed_hosts=None if keys or not is_loopback(settings.host) else settings.allowed_hosts,
            trusted_proxies=settings.trusted_proxies,
        )
        return serve_until_stopped(
            application,
            listeners,
            when_ready=lambda: _print_start(settings, *(one.port for one in listeners)),
            cors_origins=settings.cors_origins,
        )


def _print_start(settings: ServingSettings, port: int, https_port: int | None = None) -> None:
    # The first line has the same form as the emulator's, so that scripts can wait for it.
    places = local_endpoint(settings, port)
    if https_port is not None:
        places += f" and {local_https_endpoint(settings, https_port)}"
    # A closed standard output is no reason to stop serving.
    with contextlib.suppress(OSError, ValueError):
        print(f"custom-vision-emulator {__version__} ready at {places}", flush=True)
