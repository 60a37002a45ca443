"""The check of keys, with the reason for the log when a request has none or a wrong one."""

import hmac
from collections.abc import Collection, Sequence
from typing import NamedTuple

from starlette.types import Scope

from emulator.gateway.errors import AccessDenied, TokenRefused
from emulator.gateway.origins import header

KEY_HEADERS = {
    b"training-key": "Training-Key",
    b"prediction-key": "Prediction-Key",
    b"ocp-apim-subscription-key": "Ocp-Apim-Subscription-Key",
}

# Begins the name of the cookie that stands for a key in requests of the portal.
SESSION_COOKIE = "custom_vision_session"


class KeyRule(NamedTuple):
    """Which keys a group of paths requires.

    Attributes:
        headers: names of the headers that may carry the key, in lower case.
        keys: the keys, any of which is accepted.
        name: what they are called in the log.
        foreign: keys of the other resource, which are refused, and `foreign_name`.
    """

    headers: tuple[bytes, ...]
    keys: tuple[bytes, ...]
    name: str = "key"
    foreign: tuple[bytes, ...] = ()
    foreign_name: str = ""

    def given(self, scope: Scope) -> list[bytes]:
        """The values of the headers that may carry the key."""
        return [value for name, value in scope["headers"] if name in self.headers]

    def check(self, scope: Scope) -> None:
        """Raise an exception unless one of the headers carries one of the keys.

        Raises:
            TokenRefused: there is no key, but an access token. Tokens of Microsoft Entra are not accepted.
            AccessDenied: there is no valid key.
        """
        given = self.given(scope)
        # All values are compared with all keys, so that the duration does not depend on the keys.
        if not sum(hmac.compare_digest(value, key) for value in given for key in self.keys):
            if not given and (header(scope, b"authorization") or b"").lower().startswith(b"bearer"):
                raise TokenRefused(f"an access token was sent, and no key: send one in {self._headers}")
            raise AccessDenied(self._reason(scope, given))

    @property
    def _headers(self) -> str:
        return " or ".join(KEY_HEADERS[name] for name in self.headers)

    def _reason(self, scope: Scope, given: Sequence[bytes]) -> str:
        headers = self._headers
        if not given:
            others = [
                shown
                for name, shown in KEY_HEADERS.items()
                if any(name == sent for sent, _ in scope["headers"])
            ]
            if others:
                return f"the key is in the header {others[0]}, which is not read here; send it as {headers}"
            if b"key=" in scope.get("query_string", b"").lower():
                return f"no key: it is not read from the query; send it in the header {headers}"
            return f"no key: send it in the header {headers}"
        if _is_among(given, self.foreign):
            return (
                f"a {self.foreign_name} was sent where a {self.name} is needed"
                " (--multi-service makes all keys valid for both APIs)"
            )
        if not any(given):
            return "the key is empty"
        plain = [value.strip(b" \t\"'<>").lower() for value in given]
        if _is_among(plain, [key.lower() for key in self.keys]):
            return f"wrong {self.name}: it differs only by case, or by quotes or blanks around it"
        return f"wrong {self.name}"


def _is_among(values: Collection[bytes], keys: Collection[bytes]) -> bool:
    return bool(sum(hmac.compare_digest(value, key) for value in values for key in keys))
