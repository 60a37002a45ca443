"""Azure's roles for Custom Vision: which operations each of them permits.

An operation needs one data action, such as ``projects/train/action``; `emulator.contract.operations` derives
it from method and path. A role permits the data actions that match one of its patterns and none of its
exceptions. The patterns are those of the built-in role definitions in Azure, without the prefix
``Microsoft.CognitiveServices/accounts/CustomVision/``.
"""

import fnmatch
from collections.abc import Sequence
from typing import NamedTuple

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


def _matches(action: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(action, pattern) for pattern in patterns)
