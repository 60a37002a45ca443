"""Which requests count as those of a page of the server."""

import pytest
from starlette.types import Scope

from emulator.gateway.same_origin import foreign_reason, origin_of

OWN = "http://127.0.0.1:10010"


def scope(method: str = "GET", **headers: str) -> Scope:
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": method, "headers": sent}


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PATCH", "DELETE"])
def test_requests_of_own_pages_are_accepted(method: str) -> None:
    assert foreign_reason(scope(method, sec_fetch_site="same-origin"), OWN) is None
    assert foreign_reason(scope(method, origin=OWN), OWN) is None
    assert foreign_reason(scope(method, referer=f"{OWN}/portal/projects"), OWN) is None


@pytest.mark.parametrize("site", ["same-site", "cross-site", "", "SAME-ORIGIN", "same-origin, same-origin"])
def test_requests_of_other_pages_are_not(site: str) -> None:
    found = foreign_reason(scope(sec_fetch_site=site, origin=OWN, referer=OWN), OWN)
    assert found == f"Sec-Fetch-Site is {site}"


@pytest.mark.parametrize(("method", "is_accepted"), [("GET", True), ("HEAD", True), ("POST", False)])
def test_an_address_that_was_typed_in_changes_nothing(method: str, is_accepted: bool) -> None:
    assert (foreign_reason(scope(method, sec_fetch_site="none"), OWN) is None) is is_accepted


@pytest.mark.parametrize(
    "other",
    [
        "http://127.0.0.1:10011",
        "http://localhost:10010",
        "https://127.0.0.1:10010",
        "http://127.0.0.1",
        "http://127.0.0.1:10010.evil.example",
        "http://127.0.0.1:10010@evil.example",
        "null",
        "",
        "http://[",
    ],
)
def test_without_sec_fetch_site_the_origin_has_to_be_the_own_one(other: str) -> None:
    assert foreign_reason(scope(origin=other), OWN) == f"Origin is not {OWN}"
    assert foreign_reason(scope(referer=f"{other}/portal/"), OWN) == f"Referer is not {OWN}"


def test_the_origin_precedes_the_referer() -> None:
    assert foreign_reason(scope(origin="http://evil.example", referer=OWN), OWN) is not None


def test_a_request_without_any_of_the_headers_is_not_from_a_page() -> None:
    reason = foreign_reason(scope(), OWN)
    assert reason == "none of the headers Sec-Fetch-Site, Origin and Referer was sent"


def test_shown_values_are_printable() -> None:
    assert foreign_reason(scope(sec_fetch_site="\x1b\n"), OWN) == r"Sec-Fetch-Site is \x1b\n"


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://LocalHost:1/a?b#c", "http://localhost:1"),
        ("https://a.example", "https://a.example"),
        ("/a", ""),
        ("data:,", ""),
        ("null", ""),
    ],
)
def test_origins_of_urls(url: str, origin: str) -> None:
    assert origin_of(url) == origin
