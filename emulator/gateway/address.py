"""API and version of a request."""

from typing import NamedTuple

from emulator.contract.versions import Api, RetiredVersion, Version, resolve
from emulator.core.errors import ServiceError
from emulator.gateway.errors import UnknownResource


class Address(NamedTuple):
    """API and version of a request, in the scope as ``address``.

    exact: whether the client requested exactly this version.
    """

    version: Version
    exact: bool

    @property
    def api(self) -> Api:
        return self.version.api


def address_of(api: Api, version: str, supported: str) -> Address:
    """The address for `version` (``v3.3``); the nearest known version serves an unknown one.

    Args:
        supported: the paths that a client of a retired version is referred to.

    Raises:
        UnknownResource: `version` is not a version.
        ServiceError: the version is retired.
    """
    try:
        return Address(*resolve(api, version))
    except RetiredVersion:
        raise retired(version, supported) from None
    except ValueError:
        raise UnknownResource(f"'{version[:40]}' is no version, such as v3.3") from None


def retired(version: str, supported: str) -> ServiceError:
    """The error for a request to a retired version."""
    return ServiceError("BadRequestNotSupported", f"API version {version[:40]} is retired. Use {supported}.")
