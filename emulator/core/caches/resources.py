"""Resources, keys and the owners of projects in memory, since every request needs them."""

import threading
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import NamedTuple

from sqlmodel import Session, select

from emulator.core.rules.access import Access
from emulator.core.rules.roles import role_named
from emulator.core.rules.tiers import TIERS, Tier
from emulator.store.database import Database, note_resources, when_committed
from emulator.store.resource_tables import AccessKey, KeyKind, Resource
from emulator.store.shared_state import CONNECTED, RESOURCES
from emulator.store.tables import DEFAULT_RESOURCE, Project

_MOST_OWNERS = 10_000


class KnownKey(NamedTuple):
    """A key that requests may carry."""

    kind: KeyKind
    access: Access


class _Tables(NamedTuple):
    """tiers: of the resources besides the default one. keys: by their hashes."""

    tiers: Mapping[str, Tier]
    keys: Mapping[str, KnownKey]


class ResourceIndex:
    """Resources and keys as the database has them. Thread-safe.

    What changes them calls `note` in its transaction. Where no resource was added, look-ups cost nothing.

    on_removed: called with the name of a resource that was removed, for what is not in the database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tables: _Tables | None = None
        self._owners: dict[str, str] = {}
        self._changes = 0
        self.on_removed: list[Callable[[str], None]] = []
        self._lock = threading.Lock()
        if database.shared is not None:
            database.shared.listen(RESOURCES, self._changed_elsewhere)
            # What was announced before is unknown.
            database.shared.listen(CONNECTED, self._changed_elsewhere)

    @property
    def is_loaded(self) -> bool:
        """Whether look-ups of keys and tiers read no database."""
        return self._tables is not None

    def note(self, session: Session) -> None:
        """The writing `session` changes resources, keys or the resources of projects.

        All servers learn it with the commit, so that none goes on to accept a key that was replaced.
        """
        note_resources(session)
        when_committed(session, self.forget)

    def _changed_elsewhere(self, _message: str) -> None:
        self.forget()

    def forget(self) -> None:
        """Read all again at the next use."""
        with self._lock:
            self._changes += 1
            self._tables = None
            self._owners = {}

    def load(self) -> _Tables:
        """What the database has, which is read at the first use after a change."""
        while (tables := self._tables) is None:
            before = self._changes
            read = self._read()
            with self._lock:
                if before == self._changes:
                    self._tables = read
        return tables

    def _read(self) -> _Tables:
        with self._database.read() as session:
            resources = session.exec(select(Resource)).all()
            keys = session.exec(select(AccessKey)).all()
        known = {
            key.hash: KnownKey(
                KeyKind(key.kind),
                Access(key.resource, role_named(key.role), key.name) if key.role else Access(key.resource),
            )
            for key in keys
        }
        return _Tables({resource.name: TIERS[resource.tier] for resource in resources}, known)

    @property
    def is_single(self) -> bool:
        """Whether it is known that there is the default resource alone; reads no database."""
        tables = self._tables
        return tables is not None and not tables.tiers

    @property
    def has_several(self) -> bool:
        """Whether there are resources besides the default one."""
        return bool(self.load().tiers)

    def find(self, key: bytes) -> KnownKey | None:
        """The kind and access of a key; None if the database has no such key, as for those of the options."""
        return self.find_hash(hash_of(key))

    def may_have(self, key: bytes) -> bool:
        """Whether the database has a key, or this is not known now; reads no database."""
        tables = self._tables
        return tables is None or hash_of(key) in tables.keys

    def find_hash(self, digest: str) -> KnownKey | None:
        return self.load().keys.get(digest)

    def tier(self, resource: str) -> Tier | None:
        """The pricing tier of a resource besides the default one; None if it was removed."""
        return self.load().tiers.get(resource)

    def known_owner(self, project_id: str) -> str | None:
        """The resource of a project, if that was looked up before."""
        return self._owners.get(project_id)

    def owner(self, project_id: str) -> str | None:
        """The resource of a project; None when there is no such project."""
        if not self.has_several:
            return DEFAULT_RESOURCE
        known = self._owners.get(project_id)
        if known is not None:
            return known
        before = self._changes
        with self._database.read() as session:
            found = session.exec(select(Project.resource).where(Project.id == project_id)).first()
        with self._lock:
            if found is not None and before == self._changes:
                if len(self._owners) >= _MOST_OWNERS:
                    self._owners = {}
                self._owners[project_id] = found
        return found


def hash_of(key: bytes) -> str:
    """The form in which keys are kept."""
    return sha256(key).hexdigest()
