"""Which roles principals have."""

from emulator.core.test_kit.roles import ANY_PRINCIPAL, RoleAssignments, assignment_of


def test_without_assignments_everything_is_permitted() -> None:
    assert RoleAssignments().permit((), "projects/delete")


def test_the_roles_of_a_principal_add_up() -> None:
    assignments = RoleAssignments([assignment_of("Anna", "Labeler"), assignment_of("anna", "Deployment")])

    assert assignments.permit(("x", "anna"), "projects/tags/action")
    assert assignments.permit(("anna",), "classify/iterations/image/action")
    assert not assignments.permit(("anna",), "projects/train/action")
    assert not assignments.permit(("someone",), "projects/read")


def test_a_role_of_every_principal() -> None:
    assignments = RoleAssignments([assignment_of(ANY_PRINCIPAL, "Reader")])

    assert assignments.permit((), "projects/read")
    assert not assignments.permit(("anna",), "projects/delete")


def test_restore_brings_the_first_assignments_back() -> None:
    assignments = RoleAssignments([assignment_of("anna", "Reader")])
    assignments.replace([])
    assert assignments.permit(("anna",), "projects/delete")
    assignments.restore()
    assert not assignments.permit(("anna",), "projects/delete")
