"""The domains of the service: what `vision.domains` reads, and the service's answer to other ids."""

from emulator.core.errors import ServiceError
from emulator.vision.recipes.domains import Domain as Domain
from emulator.vision.recipes.domains import DomainType, domains


def listed() -> list[Domain]:
    """In the order in which the service lists them."""
    return [domain for domain in domains().all if domain.listed]


def default() -> Domain:
    """That of projects that name none."""
    return domains().all[0]


def find(domain_id: str) -> Domain | None:
    return domains().by_id.get(domain_id)


def named(name: str, type: DomainType) -> Domain:
    """The domain with this name; ValueError when there is none."""
    return domains().named(name, type)


def get(domain_id: str) -> Domain:
    """The domain, or ServiceError NotFoundDomain."""
    domain = find(domain_id)
    if domain is None:
        raise ServiceError("NotFoundDomain", "Domain not found")
    return domain
