"""GetDomains, GetDomain."""

from emulator.api import responses as shapes
from emulator.api.calls import Call, handles
from emulator.contract import responses as models
from emulator.core import domains

# Domains that the lists of versions before 3.4-preview do not have (recorded).
_LATER = {"3780a898-81c3-4516-81ae-3a139614e1f3", "7ec2ac80-887b-48a6-8df9-8b1357765430"}


@handles("GetDomains")
def get_domains(call: Call) -> list[models.Domain]:
    old = call.version.number < (3, 3)
    return [shapes.domain(row) for row in domains.listed() if not (old and row.id in _LATER)]


@handles("GetDomain")
def get_domain(call: Call) -> models.Domain:
    return shapes.domain(domains.get(call.id("domainId")))
