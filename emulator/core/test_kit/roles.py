"""Azure's roles for Custom Vision, and the principals that have them.

An operation needs one data action, such as ``projects/train/action``; `emulator.contract.operations` derives
it from method and path. A role permits the data actions that match one of its patterns and none of its
exceptions. The patterns are those of the built-in role definitions in Azure, without the prefix
``Microsoft.CognitiveServices/accounts/CustomVision/``.
"""

import fnmatch
import threading
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

ANY_PRINCIPAL = "*"
_PREFIX = "Cognitive Services Custom Vision "


class Role(NamedTuple):
    """A built-in role. id: the GUID of its definition in Azure. name: without the prefix of all names."""

    id: str
    name: str
    actions: tuple[str, ...]
    exceptions: tuple[str, ...] = ()

    def permits(self, action: str) -> bool:
        return _matches(action, self.actions) and not _matches(action, self.exceptions)


_READ = ("*/read", "projects/predictions/query/action")
_EXPORT_PROJECT = "projects/export/read"
ROLES: tuple[Role, ...] = (
    Role("c1ff6cc2-c111-46fe-8896-e0ef812ad9f3", "Contributor", ("*",)),
    Role(
        "0a5ae4ab-0d65-4eeb-be61-29fc9b54394b",
        "Trainer",
        ("*",),
        ("projects/action", "projects/delete", "projects/import/action", _EXPORT_PROJECT),
    ),
    Role(
        "88424f51-ebe7-446f-bc41-7fa16989e96c",
        "Labeler",
        (*_READ, "projects/images/*", "projects/tags/*", "projects/tagsandregions/suggestions/action"),
        (_EXPORT_PROJECT,),
    ),
    Role(
        "5c4089e1-6d96-4d2f-b296-c1bc7137275f",
        "Deployment",
        (
            "*/read",
            "projects/predictions/*",
            "projects/iterations/publish/*",
            "projects/iterations/export/*",
            "projects/quicktest/*",
            "classify/*",
            "detect/*",
        ),
        (_EXPORT_PROJECT,),
    ),
    Role("93586559-c37d-4a6b-ba08-b9f0940c2d73", "Reader", _READ, (_EXPORT_PROJECT,)),
)


class RoleAssignment(NamedTuple):
    """A role of a principal. principal: in lower case, or ANY_PRINCIPAL."""

    principal: str
    role: Role


class RoleAssignments:
    """The current assignments; without any, every principal has full access.

    initial: the assignments of the options, which `restore` brings back. Its methods are thread-safe.
    """

    def __init__(self, initial: Sequence[RoleAssignment] = ()) -> None:
        self._initial = tuple(initial)
        self._current = self._initial
        self._lock = threading.Lock()

    @property
    def current(self) -> tuple[RoleAssignment, ...]:
        return self._current

    def replace(self, assignments: Iterable[RoleAssignment]) -> None:
        with self._lock:
            self._current = tuple(assignments)

    def restore(self) -> None:
        """Bring back the assignments of the options."""
        self.replace(self._initial)

    def permit(self, principals: Collection[str], action: str) -> bool:
        """Whether one of the roles of a principal permits a data action.

        Args:
            principals: the identifiers of one principal (object id, application id, user name), lower case.
        """
        current = self._current
        if not current:
            return True
        return any(
            assignment.role.permits(action)
            for assignment in current
            if assignment.principal == ANY_PRINCIPAL or assignment.principal in principals
        )


def role_named(text: str) -> Role:
    """The role with a short name, a full name or an id, in any case. Raises ValueError."""
    wanted = text.strip().lower()
    for role in ROLES:
        if wanted in (role.id, role.name.lower(), f"{_PREFIX}{role.name}".lower()):
            return role
    raise ValueError(f"{text.strip()[:60]!r} is not one of: {', '.join(role.name for role in ROLES)}")


def full_name(role: Role) -> str:
    """The name of a role in Azure."""
    return _PREFIX + role.name


def assignment_of(principal: str, role: str) -> RoleAssignment:
    """The assignment of a named role. Raises ValueError."""
    name = principal.strip().lower()
    if not name:
        raise ValueError("has no principal")
    return RoleAssignment(name, role_named(role))


def _matches(action: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(action, pattern) for pattern in patterns)
