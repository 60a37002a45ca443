"""From the path that a client sent to the API, the version and the path of an operation.

``//customvision/v3.3/Training/projects`` is as good as ``/customvision/v3.3/training/projects``: the service
takes repeated leading slashes and any case. Versions that nobody knows are served as the nearest known one.
"""

import re
from dataclasses import dataclass
from typing import cast

from starlette.types import ASGIApp, Receive, Scope, Send

from emulator.api.calls import UnknownResource
from emulator.contract.versions import VERSIONS, Api, RetiredVersion, Version, resolve
from emulator.core.errors import ServiceError

_API_PATH = re.compile(
    r"/*customvision/+(v[^/]{1,40})/+(training|prediction)(/.*|$)", re.IGNORECASE | re.DOTALL
)
_RETIRED_PATH = re.compile(r"/*customvision/+(v[12][^/]{0,40})(/|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Address:
    """api and version of a request; `exact`: the client named that very version."""

    version: Version
    exact: bool

    @property
    def api(self) -> Api:
        return self.version.api


class Addressing:
    """Middleware: puts the `Address` into the scope and leaves ``/training/...`` as its path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        match = _API_PATH.fullmatch(path)
        if match:
            api = cast(Api, match[2].lower())
            scope["address"] = _address(api, match[1])
            scope["path"] = f"/{api}{match[3].rstrip('/')}"
        elif _RETIRED_PATH.match(path):
            raise _retired(path.strip("/").split("/")[1])
        elif path.startswith(("/training", "/prediction/")):
            raise UnknownResource
        await self._app(scope, receive, send)


def _address(api: Api, text: str) -> Address:
    try:
        return Address(*resolve(api, text))
    except RetiredVersion:
        raise _retired(text) from None
    except ValueError:
        raise UnknownResource from None


def _retired(text: str) -> ServiceError:
    training, prediction = VERSIONS["training"][-1], VERSIONS["prediction"][-1]
    return ServiceError(
        "BadRequestNotSupported",
        f"API version {text[:40]} is retired. Use /customvision/v{training}/training or "
        f"/customvision/v{prediction}/prediction.",
    )
