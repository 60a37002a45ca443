"""Middleware of the emulator's server. `emulator.gateway.middleware` has that of both servers.

Like the service, it accepts paths in any case: ``/customvision/v3.3/Training/projects`` is
``/customvision/v3.3/training/projects``. The nearest known version serves an unknown one.
"""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from starlette.types import ASGIApp, Receive, Scope, Send

from emulator.contract.matching import api_path, operation_at
from emulator.contract.versions import VERSIONS, Api
from emulator.core.caches.resources import ResourceIndex
from emulator.core.rules.access import FULL_ACCESS, Access
from emulator.core.test_kit.roles import RoleAssignments
from emulator.gateway.address import Address, address_of, retired
from emulator.gateway.errors import AccessDenied, PermissionDenied, TokenRefused, UnknownResource
from emulator.gateway.keys import KEY_HEADERS, KeyRule
from emulator.gateway.origins import header
from emulator.portal.sessions import Sessions
from emulator.store.resource_tables import KeyKind

# The form of the routes, which only `Addressing` may produce.
_ROUTE_PATH = re.compile(r"/+(training|prediction)(/|$)", re.IGNORECASE)
_RETIRED_PATH = re.compile(r"/*customvision/+(v[12][^/]{0,40})(/|$)", re.IGNORECASE)
_SUPPORTED = (
    f"/customvision/v{VERSIONS['training'][-1]}/training or "
    f"/customvision/v{VERSIONS['prediction'][-1]}/prediction"
)
_KINDS: dict[Api, KeyKind] = {"training": KeyKind.TRAINING, "prediction": KeyKind.PREDICTION}
_KEYLESS = (
    "/_emulator/health/",
    "/_emulator/openapi/",
    "/_emulator/docs",
    "/_emulator/insight",
    "/_emulator/coverage",
    "/_emulator/facts",
)


class Addressing:
    """Adds the `Address` to the scope and rewrites the path to the form of the routes: ``/training/...``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._address(scope)
        await self._app(scope, receive, send)

    def _address(self, scope: Scope) -> None:
        path: str = scope["path"]
        found = api_path(path)
        if found is not None:
            scope["address"] = address_of(found.api, found.version, _SUPPORTED)
            scope["path"] = f"/{found.api}{found.path}"
        elif _RETIRED_PATH.match(path):
            raise retired(path.strip("/").split("/")[1], _SUPPORTED)
        elif _ROUTE_PATH.match(path):
            raise UnknownResource(
                "the path lacks /customvision/ and a version, as /customvision/v3.3/training/..."
            )


class Identities(NamedTuple):
    """How access tokens of Microsoft Entra are checked. now: the time of the emulator's clock."""

    assignments: RoleAssignments
    now: Callable[[], datetime]


class Keys:
    """Requires a key: a training key for training and the control API, a prediction key for prediction.

    A request of a page of the portal whose user is signed in needs none; it is ``portal`` in the scope. What
    the key or the session gives access to is ``access`` in the scope.

    multi_service: whether the keys are those of a multi-service resource, where each key is valid for both
    APIs. The prediction API then accepts the header of the training API too. identities: None when access
    tokens are refused. A request with a key does not need a token. resources: further keys; None when there
    are none.
    """

    def __init__(
        self,
        app: ASGIApp,
        training_keys: Sequence[str],
        prediction_keys: Sequence[str],
        *,
        sessions: Sessions,
        multi_service: bool = False,
        identities: Identities | None = None,
        resources: ResourceIndex | None = None,
    ) -> None:
        self._app = app
        self._sessions = sessions
        self._resources = resources
        self._multi_service = multi_service
        self._identities = identities
        training, prediction = (
            tuple(key.encode() for key in keys) for keys in (training_keys, prediction_keys)
        )
        training_headers = (b"training-key", b"ocp-apim-subscription-key")
        prediction_headers = (b"prediction-key", b"ocp-apim-subscription-key")
        self._rules: dict[Api, KeyRule]
        if multi_service:
            both = (*training, *prediction)
            self._rules = {
                "training": KeyRule(training_headers, both),
                "prediction": KeyRule((*prediction_headers, b"training-key"), both),
            }
        else:
            self._rules = {
                "training": KeyRule(training_headers, training, "training key", prediction, "prediction key"),
                "prediction": KeyRule(
                    prediction_headers, prediction, "prediction key", training, "training key"
                ),
            }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        address: Address | None = scope.get("address")
        path: str = scope.get("path", "")
        if address is not None or (path.startswith("/_emulator/") and not path.startswith(_KEYLESS)):
            api: Api = "training" if address is None else address.api
            try:
                self._rules[api].check(scope)
                scope["access"] = FULL_ACCESS
            except TokenRefused:
                if self._identities is None or address is None:
                    raise
                self._check_token(self._identities, scope, address)
                scope["access"] = FULL_ACCESS
            except AccessDenied:
                access = await self._other_access(scope, api)
                if access is None:
                    raise
                scope["access"] = access
        await self._app(scope, receive, send)

    async def _other_access(self, scope: Scope, api: Api) -> Access | None:
        """What a request without a key of the options may do; None if nothing. Raises AccessDenied."""
        await self._sessions.load(scope)
        access = self._access_of_resource(scope, api)
        if access is None:
            access = self._access_of_session(scope)
            if access is not None:
                scope["portal"] = True
        return access

    def _access_of_resource(self, scope: Scope, api: Api) -> Access | None:
        """What a key that the database has gives access to; None if there is none, or of the other API."""
        given = self._rules[api].given(scope)
        if self._resources is None or not given:
            return None
        kinds = {_KINDS[api], KeyKind.ROLE, *(KeyKind if self._multi_service else ())}
        for key in given:
            known = self._resources.find(key)
            if known is not None and known.kind in kinds:
                return known.access
        return None

    def _access_of_session(self, scope: Scope) -> Access | None:
        """What the session of a page of the portal gives access to; None for other requests.

        None also for a request with a key: the session does not apply to it.

        Raises:
            AccessDenied: it has the cookie, but of a session that has ended, or is from another page.
        """
        if any(name in KEY_HEADERS for name, _ in scope["headers"]) or not self._sessions.has_cookie(scope):
            return None
        foreign = self._sessions.foreign_reason(scope)
        if foreign is not None:
            raise AccessDenied(f"a session is valid for pages of the portal only: {foreign}")
        access = self._sessions.access_of(scope)
        if access is None:
            raise AccessDenied("the session of the portal has ended")
        return access

    def _check_token(self, identities: Identities, scope: Scope, address: Address) -> None:
        """Raise TokenRefused or PermissionDenied unless the token's principal may use the operation."""
        from emulator.gateway.access_tokens import principals_of  # here, for a fast start

        principals = principals_of(header(scope, b"authorization") or b"", identities.now)
        operation = operation_at(address.api, scope["method"], scope["path"].removeprefix(f"/{address.api}"))
        if operation is None or identities.assignments.permit(principals, operation.data_action):
            return
        path = f"/customvision/v{address.version.name}/{address.api}{operation.path.replace(':path}', '}')}"
        name = principals[0] if principals else "unknown"
        raise PermissionDenied(name, operation.data_action, operation.method, path)
