"""GetDomains, GetDomain."""

from emulator.api import responses
from emulator.api.dependencies import ApiVersion, DomainId
from emulator.api.routing import OperationRouter
from emulator.contract import responses as shapes
from emulator.contract import version_differences
from emulator.core.rules import domains

router = OperationRouter()


@router.operation("GetDomains", small=True)
def get_domains(version: ApiVersion) -> list[shapes.Domain]:
    listed = [row for row in domains.listed() if version_differences.lists_domain(row.id, version)]
    return [responses.domain(row) for row in listed]


@router.operation("GetDomain", small=True)
def get_domain(domain_id: DomainId) -> shapes.Domain:
    return responses.domain(domains.get(domain_id))
