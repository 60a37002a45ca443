"""Bodies and responses of the emulator's own API about role assignments."""

from emulator.contract.requests import List, StrictBody
from emulator.contract.wire import Shape


class NewRoleAssignment(StrictBody):
    principal: str
    role: str


class NewRoleAssignmentList(StrictBody):
    assignments: List[NewRoleAssignment]


class RoleAssignment(Shape):
    principal: str
    role: str
    role_id: str


class RoleAssignmentList(Shape):
    assignments: list[RoleAssignment]
