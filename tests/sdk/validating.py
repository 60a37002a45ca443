"""Validates the responses that the official Python SDKs receive."""

from __future__ import annotations

from typing import Any

import requests

from tests.contract_chain.spec import ContractValidator
from tests.sdk.clients import never_by_proxy

_contract = ContractValidator()


def validated(client: Any) -> Any:
    """The client of an official SDK, changed to validate each response."""

    def validate_response(response: requests.Response, *_: Any, **__: Any) -> None:
        method, url = response.request.method or "", response.request.url or ""
        problems = _contract.check(method, url, response.status_code, response.headers, response.content)
        assert not problems, "\n".join(problems)

    def hook(session: requests.Session, _global: Any, _local: Any, **_: Any) -> None:
        session.hooks["response"] = [validate_response]

    client.config.session_configuration_callback = hook
    never_by_proxy(client)
    return client
