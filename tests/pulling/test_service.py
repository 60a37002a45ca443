"""The client: endpoints, keys, repeated requests, and what messages show."""

import pytest

from emulator.pulling.service import Endpoint, PullFailed, Refused, Service
from emulator.pulling.throttle import Throttle
from tests.support.cloud import KEY, Cloud, Reply, Request, error


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://name.cognitiveservices.azure.com/", "https://name.cognitiveservices.azure.com"),
        ("name.cognitiveservices.azure.com", "https://name.cognitiveservices.azure.com"),
        (
            "https://westeurope.api.cognitive.microsoft.com/customvision/v3.3/Training/projects",
            "https://westeurope.api.cognitive.microsoft.com",
        ),
        ("http://127.0.0.1:10010/prefix/CustomVision/v3.0", "http://127.0.0.1:10010/prefix"),
        ("https://ex\xe4mple.com:8443/", "https://xn--exmple-cua.com:8443"),
    ],
)
def test_endpoints_are_found_in_what_users_paste(text: str, url: str) -> None:
    assert Endpoint.parse(text).url == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ftp://host",
        "https://",
        "https://user:word@host",
        "https://host:port",
        "http://x.azure.com",
        "https://\xe4..com",
    ],
)
def test_other_endpoints_are_refused(text: str) -> None:
    with pytest.raises(PullFailed):
        Endpoint.parse(text)


@pytest.mark.parametrize("key", ["", "two\nlines", "schlüssel"])
def test_a_key_that_no_header_can_have_is_refused(key: str) -> None:
    with pytest.raises(PullFailed):
        Service(Endpoint("http://127.0.0.1:1"), key, Throttle(1000))


def test_a_refused_key_is_explained_and_not_shown(cloud: Cloud) -> None:
    other = "0123456789abcdef0123456789abcdef"
    service = Service(Endpoint.parse(cloud.endpoint), other, Throttle(1000), attempts=2)
    with pytest.raises(PullFailed, match="training key, not the prediction key") as refused:
        service.get("projects")
    service.close()
    assert other not in str(refused.value)
    assert len(cloud.requests) == 1


def test_the_key_is_sent_to_the_endpoint_alone(cloud: Cloud, client: Service) -> None:
    with Cloud() as other:
        moved = Reply(302, b"", {"Location": f"{other.endpoint}/customvision/v3.3/training/projects"})
        cloud.interrupt = lambda request: moved
        with pytest.raises(Refused, match="status 302"):
            client.get("projects")
        with pytest.raises(Refused, match="status 302"):
            client.file(f"{cloud.endpoint}/file/x?{cloud.signature}", 1000)
        cloud.interrupt = lambda request: None
        client.file(f"{other.endpoint}/file/{other.images[0]['id']}?{other.signature}", 10_000)
    assert KEY not in str(other.requests)
    assert [KEY in str(request.headers) for request in cloud.requests] == [True, False]


def test_requests_are_repeated_after_refusals_for_their_rate_and_lost_connections(
    cloud: Cloud, client: Service
) -> None:
    replies = [
        error(429, "429", "exceeded rate limit"),
        Reply(drop=True),
        Reply(503, b"busy"),
        Reply(body=b'[{"id": '),
    ]
    cloud.interrupt = lambda request: replies.pop(0) if replies else None
    assert client.get("projects")[0]["id"] == cloud.id
    assert len(cloud.requests) == 5


def test_a_service_that_never_answers_ends_the_pull_with_a_message(cloud: Cloud, client: Service) -> None:
    cloud.interrupt = lambda request: Reply(500, b'{"code": "ErrorUnknown", "message": "broken"}')
    with pytest.raises(PullFailed, match=r"status 500 \(broken\), 5 times; what was pulled is kept"):
        client.file(f"{cloud.endpoint}/file/x?{cloud.signature}", 1000)
    assert len(cloud.requests) == 5


def test_what_the_service_refuses_is_not_repeated(cloud: Cloud, client: Service) -> None:
    def refuse(request: Request) -> Reply:
        return Reply(404, b'{"code": "NotFoundIteration", "message": "Invalid iteration"}')

    cloud.interrupt = refuse
    with pytest.raises(Refused) as refused:
        client.get("projects/x/iterations/y")
    assert (refused.value.status, refused.value.code) == (404, "NotFoundIteration")
    assert len(cloud.requests) == 1


def test_files_beyond_the_limit_are_not_received(cloud: Cloud, client: Service) -> None:
    with pytest.raises(Refused, match="larger than"):
        client.file(f"{cloud.endpoint}/file/{cloud.images[0]['id']}?{cloud.signature}", 10)
