"""The time that httpx gives a response in tests."""

import httpx
import pytest

from tests.support.harness import PATIENCE_SECONDS


@pytest.mark.parametrize("client", [httpx.Client, httpx.AsyncClient])
def test_clients_wait_as_long_as_tests_do(client: type[httpx.Client] | type[httpx.AsyncClient]) -> None:
    assert client().timeout == httpx.Timeout(PATIENCE_SECONDS)
    assert client(timeout=2).timeout == httpx.Timeout(2)
    assert client(timeout=None).timeout == httpx.Timeout(None)


def test_functions_wait_as_long_as_tests_do(monkeypatch: pytest.MonkeyPatch) -> None:
    timeouts = []

    def answer(client: httpx.Client, *_arguments: object, **_more: object) -> httpx.Response:
        timeouts.append(client.timeout)
        return httpx.Response(200)

    monkeypatch.setattr(httpx.Client, "request", answer)
    httpx.get("http://host.invalid")
    assert timeouts == [httpx.Timeout(PATIENCE_SECONDS)]
