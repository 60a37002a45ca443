"""The domains of the service, looked up by id or name."""

from emulator.core.errors import ServiceError
from emulator.vision.recipes.domains import ANOMALY as ANOMALY
from emulator.vision.recipes.domains import Domain as Domain
from emulator.vision.recipes.domains import DomainType as DomainType
from emulator.vision.recipes.domains import domains


def listed() -> list[Domain]:
    """The domains that the service lists, in its order."""
    return [domain for domain in domains().all if domain.listed]


def own() -> list[Domain]:
    """The domains of the emulator that the service does not have."""
    return [domain for domain in domains().all if domain.own]


def default() -> Domain:
    """The domain of projects that are created without one."""
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
