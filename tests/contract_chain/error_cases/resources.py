"""Errors of keys with a role, and of resources."""

import httpx
from sqlmodel import delete

from emulator.store.resource_tables import Resource
from tests.contract_chain.error_cases.registry import raises_code
from tests.support.harness import Service
from tests.support.resources import first_keys, role_key


def _create_project(service: Service, key: str) -> httpx.Response:
    return service.send("POST", "/projects", key=key, params={"name": "new"})


@raises_code("ForbiddenUserInsufficientCapability", r"The key 'reader' has the role Reader, which .+")
def role_that_does_not_permit_the_operation(service: Service) -> httpx.Response:
    return _create_project(service, role_key(service, "default", "Reader").training)


@raises_code("ForbiddenUserResource", r"The resource 'other' was removed\.")
def resource_removed_by_another_server_a_moment_ago(service: Service) -> httpx.Response:
    key = first_keys(service, "other").training
    assert service.send("GET", "/projects", key=key).status_code == 200
    # Not announced: this server still knows the key.
    with service.context.database.write() as session:
        session.exec(delete(Resource))
    return _create_project(service, key)
