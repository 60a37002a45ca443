"""Makes clients of any version of the official Python SDK."""

from __future__ import annotations

import inspect
from typing import Any


def make_client(kind: Any, api: str, endpoint: str, key: str) -> Any:
    """A client of the class `kind`; `api` is "training" or "prediction"."""
    if "api_key" in inspect.signature(kind).parameters:  # the first version of the SDK
        return kind(key, endpoint=endpoint)
    from msrest.authentication import ApiKeyCredentials

    return kind(endpoint, ApiKeyCredentials(in_headers={f"{api}-key": key}))


def never_by_proxy(client: Any) -> None:
    """A configured proxy cannot reach the loopback address."""
    client.config.proxies.use_env_settings = False
