"""Roles of principals, in the emulator's own API: see `emulator.core.test_kit.roles`."""

from typing import Annotated

from fastapi import Request

from emulator.api.dependencies import Emulator, json_body
from emulator.api.routing import OperationRouter
from emulator.contract.test_kit import role_assignments as shapes
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.rules.roles import full_name
from emulator.core.test_kit.roles import assignment_of

router = OperationRouter()

_PATH = "/_emulator/roleAssignments"


@router.own("GET", _PATH)
def get_role_assignments(emulator: Emulator) -> shapes.RoleAssignmentList:
    return _shown(emulator)


@router.own("PUT", _PATH)
def replace_role_assignments(
    request: Request,
    emulator: Emulator,
    body: Annotated[shapes.NewRoleAssignmentList, json_body(shapes.NewRoleAssignmentList)],
) -> shapes.RoleAssignmentList:
    if not request.app.state.accepts_tokens:
        raise ServiceError(
            "BadRequestNotSupported",
            "Access tokens are refused, so that roles have no effect; start the emulator with --entra basic.",
        )
    assignments = []
    for number, item in enumerate(body.assignments):
        try:
            assignments.append(assignment_of(item.principal, item.role))
        except ValueError as error:
            raise ServiceError("BadRequest", f"assignments[{number}]: the role {error}.") from None
    emulator.role_assignments.replace(assignments)
    return _shown(emulator)


@router.own("DELETE", _PATH)
def restore_role_assignments(emulator: Emulator) -> None:
    emulator.role_assignments.restore()


def _shown(context: Context) -> shapes.RoleAssignmentList:
    return shapes.RoleAssignmentList(
        assignments=[
            shapes.RoleAssignment(
                principal=assignment.principal, role=full_name(assignment.role), role_id=assignment.role.id
            )
            for assignment in context.role_assignments.current
        ]
    )
