"""What a request may do: the resource of its key, and the role of the key."""

from typing import NamedTuple

from emulator.core.errors import ServiceError
from emulator.core.rules.roles import Role
from emulator.store.tables import DEFAULT_RESOURCE


class Access(NamedTuple):
    """The access that a key, a token or a session gives.

    resource: the one whose projects it reaches. role: None for full access. key_name: of a key with a role.
    """

    resource: str = DEFAULT_RESOURCE
    role: Role | None = None
    key_name: str = ""

    @property
    def is_administrator(self) -> bool:
        """Whether it reaches what concerns the whole emulator: with full access to the default resource."""
        return self.resource == DEFAULT_RESOURCE and self.role is None

    def check(self, action: str | None) -> None:
        """Raise ServiceError unless the access is enough for a data action; None: for administrators."""
        if action is None:
            if not self.is_administrator:
                message = "This needs a training key of the default resource, with full access."
                raise ServiceError("ForbiddenUserInsufficientCapability", message)
        elif self.role is not None and not self.role.permits(action):
            raise ServiceError(
                "ForbiddenUserInsufficientCapability",
                f"The key '{self.key_name}' has the role {self.role.name}, which does not permit {action}.",
            )


FULL_ACCESS = Access()
