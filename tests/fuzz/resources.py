"""Resources and keys for requests that need existing ones."""

import itertools
from collections.abc import Callable
from typing import Any

_numbers = itertools.count(1)
KEY_BODY = {"name": "fuzz", "role": "Reader"}


def new_resource(operation: str, control: Callable[..., Any]) -> dict[str, str]:
    """Add a resource; the parameters of a path that is about it, and about a key of it.

    Args:
        control: sends a request to the control API: method, path below ``/_emulator`` and JSON.
    """
    name = f"fuzz-{next(_numbers)}"
    control("POST", "resources", json={"name": name})
    parameters = {"resourceName": name}
    if operation == "RotateKey":
        parameters |= {"kind": "Training", "keyName": "1"}
    if operation == "RemoveKey":
        control("POST", f"resources/{name}/keys", json=KEY_BODY)
        parameters |= {"keyName": KEY_BODY["name"]}
    return parameters
