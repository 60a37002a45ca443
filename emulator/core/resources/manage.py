"""Resources and their keys: adding, listing, replacing, removing.

A key is shown once, since the database has its hash only.
"""

import re
import secrets
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import zip_longest
from types import MappingProxyType
from typing import NamedTuple

from sqlalchemy import func
from sqlmodel import Session, col, select

from emulator.core.caches.resources import hash_of
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.rules.roles import role_named
from emulator.core.rules.tiers import TIERS
from emulator.core.rules.validation import in_any_case
from emulator.store.resource_tables import AccessKey, KeyKind, Resource
from emulator.store.tables import DEFAULT_RESOURCE, Job, JobKind, Project, Usage

# Each resource has two keys of each kind, so that one can be replaced while the other is in use.
KEY_NAMES = ("1", "2")
# As names of accounts in Azure, in lower case: part of an id that is compared in any case.
_NAME = re.compile("[a-z0-9][a-z0-9-]{0,62}[a-z0-9]")
_KEY_NAME = re.compile("[A-Za-z0-9._@-]{1,64}")
_KEY_BYTES = 16
# Keys that are given: a shorter one could be guessed; commas separate keys in files.
_GIVEN_KEY = re.compile("[!-+\\--~]{16,512}")


class KeyState(NamedTuple):
    """A key without its text. name: 1 or 2. created: when it was made or replaced."""

    kind: str
    name: str
    role: str | None
    created: datetime


class ResourceState(NamedTuple):
    """A resource. created: None for the default one. keys: those that the database has."""

    name: str
    tier: str
    created: datetime | None
    project_count: int
    keys: list[KeyState]


class NewKey(NamedTuple):
    """A key with its text, which is not shown again."""

    kind: str
    name: str
    role: str | None
    key: str


class AddedResource(NamedTuple):
    """A new resource with its four keys."""

    name: str
    tier: str
    keys: list[NewKey]


def list_all(context: Context) -> list[ResourceState]:
    """The default resource and the others by name."""
    with context.database.read() as session:
        resources = session.exec(select(Resource).order_by(col(Resource.name))).all()
        keys = session.exec(select(AccessKey).order_by(col(AccessKey.kind).desc(), col(AccessKey.name))).all()
        counts: dict[str, int] = dict(
            session.execute(select(Project.resource, func.count()).group_by(Project.resource)).all()
        )
    of: defaultdict[str, list[KeyState]] = defaultdict(list)
    for key in keys:
        of[key.resource].append(KeyState(key.kind, key.name, key.role, key.created))
    default = ResourceState(DEFAULT_RESOURCE, context.tier.name.lower(), None, 0, [])
    states = [default, *(ResourceState(one.name, one.tier, one.created, 0, []) for one in resources)]
    return [state._replace(project_count=counts.get(state.name, 0), keys=of[state.name]) for state in states]


def add(
    context: Context,
    name: str,
    tier: str | None = None,
    *,
    given: Mapping[KeyKind, Sequence[str]] = MappingProxyType({}),
    of_options: Collection[str] = (),
) -> AddedResource:
    """Add a resource.

    Args:
        tier: by default that of the default resource.
        given: keys in place of random ones, at most two of each kind.
        of_options: the keys of the options, which cannot be given again.
    """
    name = _checked_name(name)
    for keys in given.values():
        if len(keys) > len(KEY_NAMES):
            raise ServiceError("BadRequest", f"A resource has {len(KEY_NAMES)} keys of each kind.")
    of_kinds = {kind: [_checked_key(key, of_options) for key in keys] for kind, keys in given.items()}
    known_tier = in_any_case(tier or context.tier.name, tuple(TIERS))
    if known_tier is None:
        raise ServiceError("BadRequest", f"Unknown tier '{(tier or '')[:60]}'; known are {', '.join(TIERS)}.")
    now = context.clock.now()
    with context.database.write() as session:
        if session.get(Resource, name) is not None:
            raise ServiceError("Conflict", f"There is a resource '{name}' already.")
        session.add(Resource(name=name, tier=known_tier, created=now))
        made = [
            _new_key(
                session,
                AccessKey(hash="", resource=name, kind=kind, name=number, created=now),
                key,
            )
            for kind in (KeyKind.TRAINING, KeyKind.PREDICTION)
            for number, key in zip_longest(KEY_NAMES, of_kinds.get(kind, ()))
        ]
        context.resources.note(session)
    return AddedResource(name, known_tier, made)


def rotate(context: Context, resource: str, kind: str, name: str) -> NewKey:
    """Replace a key of a resource, which ends the sessions of the portal that began with it.

    Args:
        kind: Training, Prediction or Role, in any case. name: 1 or 2, or the name of a key with a role.
    """
    known = in_any_case(kind, tuple(KeyKind))
    if known is None:
        raise ServiceError("BadRequest", f"Unknown kind of keys '{kind[:60]}'; known are {_kinds()}.")
    with context.database.write() as session:
        _check_exists(session, resource)
        if resource == DEFAULT_RESOURCE and known != KeyKind.ROLE:
            raise ServiceError(
                "BadRequestNotSupported",
                "The keys of the default resource are options of the server: --training-key, "
                "--prediction-key, --keys-file.",
            )
        old = _key(session, resource, known, name)
        session.delete(old)
        session.flush()
        made = _new_key(
            session,
            AccessKey(
                hash="",
                resource=resource,
                kind=known,
                name=old.name,
                role=old.role,
                created=context.clock.now(),
            ),
        )
        context.resources.note(session)
    return made


def add_key(
    context: Context,
    resource: str,
    name: str,
    role: str,
    *,
    given: str | None = None,
    of_options: Collection[str] = (),
) -> NewKey:
    """Add a key with a role to a resource, also to the default one.

    role: as `role_named` has it. given, of_options: as for `add`.
    """
    if given is not None:
        given = _checked_key(given, of_options)
    try:
        known_role = role_named(role)
    except ValueError as error:
        raise ServiceError("BadRequest", f"The role {error}.") from None
    # Clients remove "." and ".." from paths, so such a key could not be removed.
    if not _KEY_NAME.fullmatch(name) or name in (".", ".."):
        message = (
            "The name of a key has 1 to 64 characters: letters, digits and . _ - @; and is not '.' or '..'."
        )
        raise ServiceError("BadRequest", message)
    with context.database.write() as session:
        _check_exists(session, resource)
        if _find_key(session, resource, KeyKind.ROLE, name) is not None:
            raise ServiceError("Conflict", f"The resource '{resource}' has a key '{name}' already.")
        row = AccessKey(
            hash="",
            resource=resource,
            kind=KeyKind.ROLE,
            name=name,
            role=known_role.name,
            created=context.clock.now(),
        )
        made = _new_key(session, row, given)
        context.resources.note(session)
    return made


def remove_key(context: Context, resource: str, name: str) -> None:
    """Remove a key with a role, which ends the sessions of the portal that began with it."""
    with context.database.write() as session:
        _check_exists(session, resource)
        session.delete(_key(session, resource, KeyKind.ROLE, name))
        context.resources.note(session)


def remove(context: Context, name: str) -> None:
    """Remove a resource, its keys, and the imports and jobs that it has had. Refused while it has projects.

    So nothing is left to a later resource with its name.
    """
    if name == DEFAULT_RESOURCE:
        raise ServiceError("BadRequestNotSupported", "The default resource cannot be removed.")
    with context.database.write() as session:
        _check_exists(session, name)
        count = session.scalar(select(func.count()).select_from(Project).where(Project.resource == name)) or 0
        if count:
            unit = "project" if count == 1 else "projects"
            message = f"The resource '{name}' has {count} {unit}; delete them first, with a key of it."
            raise ServiceError("Conflict", message)
        for key in session.exec(select(AccessKey).where(AccessKey.resource == name)):
            session.delete(key)
        for usage in session.exec(select(Usage).where(Usage.resource == name)):
            session.delete(usage)
        for job in session.exec(select(Job).where(Job.kind == JobKind.DATA_SET)):
            if (job.details or {}).get("resource") == name:
                session.delete(job)
        session.delete(session.get_one(Resource, name))
        context.resources.note(session)
    for function in context.resources.on_removed:
        function(name)
    context.job_history.forget_of(name)


def _checked_name(name: str) -> str:
    if name == DEFAULT_RESOURCE or not _NAME.fullmatch(name):
        raise ServiceError(
            "BadRequest",
            "The name of a resource has 2 to 64 lower-case letters, digits and hyphens, begins and ends with "
            f"a letter or digit, and is not '{DEFAULT_RESOURCE}'.",
        )
    return name


def _checked_key(key: str, of_options: Collection[str]) -> str:
    if not _GIVEN_KEY.fullmatch(key):
        message = "A key that is given has 16 to 512 visible ASCII characters, without commas and spaces."
        raise ServiceError("BadRequest", message)
    if key in of_options:
        raise ServiceError("Conflict", "A key that is given is one of the options of the emulator.")
    return key


def _check_exists(session: Session, name: str) -> None:
    if name != DEFAULT_RESOURCE and session.get(Resource, name) is None:
        raise ServiceError("NotFound", f"There is no resource '{name[:64]}'.")


def _key(session: Session, resource: str, kind: str, name: str) -> AccessKey:
    found = _find_key(session, resource, kind, name)
    if found is None:
        raise ServiceError("NotFound", f"The resource '{resource}' has no {kind.lower()} key '{name[:64]}'.")
    return found


def _find_key(session: Session, resource: str, kind: str, name: str) -> AccessKey | None:
    return session.exec(
        select(AccessKey).where(
            AccessKey.resource == resource, AccessKey.kind == kind, AccessKey.name == name
        )
    ).first()


def _new_key(session: Session, row: AccessKey, given: str | None = None) -> NewKey:
    """Store a key in a row that has all but its hash. given: by default a new random one."""
    key = secrets.token_hex(_KEY_BYTES) if given is None else given
    row.hash = hash_of(key.encode())
    if given is not None and session.get(AccessKey, row.hash) is not None:
        raise ServiceError("Conflict", "A key that is given exists already, or is given twice.")
    session.add(row)
    session.flush()
    return NewKey(row.kind, row.name, row.role, key)


def _kinds() -> str:
    return ", ".join(KeyKind)
