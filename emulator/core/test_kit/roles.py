"""The principals of access tokens that have roles (`emulator.core.rules.roles`)."""

import threading
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from emulator.core.rules.roles import Role, role_named

ANY_PRINCIPAL = "*"


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


def assignment_of(principal: str, role: str) -> RoleAssignment:
    """The assignment of a named role. Raises ValueError."""
    name = principal.strip().lower()
    if not name:
        raise ValueError("has no principal")
    return RoleAssignment(name, role_named(role))
