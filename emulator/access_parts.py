"""The parts of the application that decide who may call it: keys, roles, sessions and names of hosts."""

from urllib.parse import urlsplit

from starlette.middleware import Middleware

from emulator.api.middleware import Identities
from emulator.core.caches.resources import ResourceIndex
from emulator.core.context import Context
from emulator.core.test_kit.roles import RoleAssignments, assignment_of
from emulator.gateway.hosts import AllowedHosts, HostCheck
from emulator.gateway.proxies import TrustedProxies
from emulator.portal.sessions import FILE_NAME as SESSIONS_FILE
from emulator.portal.sessions import Sessions
from emulator.settings import DEFAULT_PREDICTION_KEYS, DEFAULT_TRAINING_KEYS, Settings, StartRefused
from emulator.settings.addresses import is_loopback


def identities(settings: Settings, context: Context) -> Identities | None:
    """How access tokens are checked; None when they are refused."""
    if settings.entra == "off":
        return None
    return Identities(context.role_assignments, context.clock.now)


def resources(settings: Settings, context: Context) -> ResourceIndex | None:
    """Resources whose keys are accepted: none with an upstream, whose responses know no resources."""
    return None if settings.upstream is not None else context.resources


def role_assignments(settings: Settings) -> RoleAssignments:
    """The assignments of the options. Raises StartRefused."""
    if settings.role_assignments and settings.entra == "off":
        raise StartRefused("--role-assignment: has an effect with --entra basic only")
    try:
        return RoleAssignments([assignment_of(*pair) for pair in settings.role_assignments])
    except ValueError as error:
        raise StartRefused(f"--role-assignment: the role {error}") from None


def sessions(settings: Settings, proxies: TrustedProxies, context: Context) -> Sessions:
    """The sessions of the portal. They begin with a key that opens the control API, which shows all keys."""
    keys = [*settings.training_keys, *(settings.prediction_keys if settings.multi_service else ())]
    # `host_check` then keeps pages away that let their name resolve to this machine.
    is_well_known = not {*DEFAULT_TRAINING_KEYS, *DEFAULT_PREDICTION_KEYS}.isdisjoint(keys)
    return Sessions(
        keys,
        proxies,
        signs_in_alone=is_well_known and is_loopback(settings.host),
        file=None if settings.ephemeral else context.folder / SESSIONS_FILE,
        secret=context.link_secret,
        resources=resources(settings, context),
        shared=context.database.shared,
    )


def host_check(settings: Settings, proxies: TrustedProxies) -> list[Middleware]:
    """The check of the Host header, where nothing else keeps web pages away: see `emulator.gateway.hosts`."""
    if not (settings.accepts_public_credentials and is_loopback(settings.host)):
        return []
    public = [] if settings.public_url is None else [str(urlsplit(settings.public_url).hostname)]
    hosts = AllowedHosts([*settings.allowed_hosts, *public])
    return [Middleware(HostCheck, hosts=hosts, proxies=proxies)]
