"""URLs that the policy allows and rejects; no connections are made."""

from ipaddress import IPv4Address, IPv6Address

import httpcore
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emulator.core.fetching import client as fetching
from emulator.core.fetching.client import FetchRejected, fetch
from emulator.core.fetching.policy import parse_url
from emulator.core.fetching.special_addresses import is_public
from tests.support.web_servers import (
    connect_nowhere,
    must_not_connect,
    policy,
    resolve_nothing,
    resolve_to,
)

PRIVATE = [
    "127.0.0.1", "127.8.9.10", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "0.0.0.0", "0.1.2.3", "192.0.2.1", "198.18.0.1", "203.0.113.9", "224.0.0.1", "239.1.2.3", "240.0.0.1",
    "255.255.255.255", "168.63.129.16",
    "::", "::1", "fe80::1", "fc00::1", "fd12::1", "fec0::1", "ff02::1", "ff0e::1", "2001:db8::1", "100::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::127.0.0.1",
    "64:ff9b:1::1", "2002:7f00:1::", "2001::1", "4000::1",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "::ffff:8.8.8.8", "20.42.65.92", "2606:4700:4700::1111", "64:ff9b::8.8.8.8"]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(FetchRejected, match="private or local"):
        fetch(f"http://{host}/", policy(), connect=must_not_connect)
    with pytest.raises(FetchRejected, match="private or local"):
        fetch("http://photos.example/", policy(), resolve=resolve_to(address), connect=must_not_connect)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_tried(address: str) -> None:
    tried: list[str] = []

    def connect(address: str, port: int, timeout: float) -> httpcore.NetworkStream:
        tried.append(address)
        raise httpcore.ConnectError("no")

    with pytest.raises(FetchRejected, match="No connection"):
        fetch("http://photos.example/", policy(), resolve=resolve_to(address), connect=connect)
    assert tried == [address]


def test_private_address_among_public_ones_is_refused() -> None:
    for addresses in (["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"], ["2606:4700::1111", "::1"]):
        with pytest.raises(FetchRejected, match="private or local"):
            fetch(
                "http://photos.example/", policy(), resolve=resolve_to(*addresses), connect=must_not_connect
            )


def test_ipv6_scope_does_not_hide_an_address() -> None:
    with pytest.raises(FetchRejected, match="private or local"):
        fetch(
            "http://photos.example/", policy(), resolve=resolve_to("fe80::1%eth0"), connect=must_not_connect
        )


def test_name_is_resolved_once_and_that_address_connected_to() -> None:
    """DNS rebinding: the name resolves to a public address first and to a private one later."""
    answers = iter([["8.8.8.8"], ["127.0.0.1"]])
    connected: list[tuple[str, int]] = []

    def connect(address: str, port: int, timeout: float) -> httpcore.NetworkStream:
        connected.append((address, port))
        return httpcore.MockStream([b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhere"])

    def resolve(host: str, port: int) -> list[str]:
        return next(answers)

    assert fetch("http://photos.example/", policy(), resolve=resolve, connect=connect) == b"here"
    assert connected == [("8.8.8.8", 80)]
    assert next(answers) == ["127.0.0.1"], "the name was resolved only once"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "Only http"),
        ("photo.jpg", "Only http"),
        ("file:///etc/passwd", "Only http"),
        ("ftp://photos.example/", "Only http"),
        ("data:image/png;base64,AAAA", "Only http"),
        ("http:photos.example", "malformed"),
        ("http://", "malformed"),
        ("http:///path", "malformed"),
        ("http://user@photos.example/", "user name"),
        ("http://user:password@photos.example/", "user name"),
        ("http://@photos.example/", "user name"),
        ("http://photos.example\\@10.0.0.1/", "backslashes"),
        ("http://photos.example/\r\nHost: other", "control characters"),
        ("ht\ntp://photos.example/", "control characters"),
        ("http://photos.example/\x00", "control characters"),
        ("http://photos.example:0/", "malformed"),
        ("http://photos.example:65536/", "malformed"),
        ("http://photos.example:x/", "malformed"),
        ("http://photos..example/", "malformed"),
        ("http://-photos.example/", "malformed"),
        ("http://pho tos.example/", "malformed"),
        ("http://photos%2eexample/", "malformed"),
        ("http://[::1/", "malformed"),
        ("http://[fe80::1%25eth0]/", "malformed"),
        ("http://[::ffff:300.0.0.1]/", "malformed"),
        ("http://" + "a" * 64 + ".example/", "malformed"),
        ("http://" + "a." * 127 + "example/", "malformed"),
        ("http://photos.example/\ud800", "malformed"),
        ("http://127.1/", "unusual spelling"),
        ("http://2130706433/", "unusual spelling"),
        ("http://0177.0.0.1/", "unusual spelling"),
        ("http://0x7f.0.0.1/", "unusual spelling"),
        ("http://0x7f000001/", "unusual spelling"),
        ("http://127.0.0.0x1./", "unusual spelling"),
        ("http://1.2.3.4.5/", "unusual spelling"),
        ("http://256.0.0.1/", "unusual spelling"),
        ("http://1\uff127.0.0.1/", "private or local"),
        ("http://127\u30020\u30020\u30021/", "private or local"),
        ("http://127.0.0.1./", "private or local"),
        ("http://photos.example/" + "x" * 8192, "longer than 8192"),
    ],
)
def test_bad_urls_are_refused_before_anything_is_done(url: str, reason: str) -> None:
    def must_not_resolve(host: str, port: int) -> list[str]:
        raise AssertionError(f"resolved {host}")

    with pytest.raises(FetchRejected, match=reason):
        fetch(url, policy(), resolve=must_not_resolve, connect=must_not_connect)


def test_unknown_host_is_reported() -> None:
    with pytest.raises(FetchRejected, match="unknown"):
        fetch("http://photos.example/", policy(), resolve=resolve_nothing)
    with pytest.raises(FetchRejected, match="unknown"):
        fetch("http://photos.example/", policy(), resolve=resolve_to())


def test_system_resolver_resolves_loopback() -> None:
    assert set(fetching.resolve_with_system("localhost", 80)) <= {"127.0.0.1", "::1"}
    with pytest.raises(FetchRejected, match="private or local"):
        fetch("http://localhost/", policy(), connect=must_not_connect)


@pytest.mark.parametrize(
    "entry",
    [
        "",
        " ",
        "/8",
        "a b",
        "user@host",
        "host:",
        "host:0",
        "host:99999",
        "http://host",
        "10.0.0.1/8",
        "127.1",
    ],
)
def test_senseless_allow_is_refused_at_once(entry: str) -> None:
    with pytest.raises(ValueError, match="is not a host, host:port or network"):
        policy(entry)


# Arbitrary URLs

hosts = st.one_of(
    st.ip_addresses().map(lambda address: f"[{address}]" if address.version == 6 else str(address)),
    st.text(max_size=20),
    st.from_regex(r"[0-9a-fxX.:\[\]%]{1,20}", fullmatch=True),
)
urls = st.one_of(
    st.text(),
    st.builds(
        "{}://{}{}{}".format,
        st.sampled_from(["http", "https", "HTTP", "file", "ws"]),
        hosts,
        st.one_of(st.just(""), st.integers(-1, 70_000).map(":{}".format), st.text(max_size=5)),
        st.one_of(st.just("/"), st.text(max_size=30).map("/{}".format), st.text(max_size=30)),
    ),
)


@given(urls)
@example("http://\u2488.example/")
@example("http://xn--a/")
@example("http://xn--\u00fc/")
@example("http://a\u200d.example/")
@example("http://[v1.x]/")
@settings(max_examples=500)
def test_any_text_is_fetched_or_rejected(url: str) -> None:
    for resolve in (resolve_nothing, resolve_to("8.8.8.8")):
        with pytest.raises(FetchRejected):
            fetch(url, policy(), resolve=resolve, connect=connect_nowhere)


@given(urls)
def test_parsed_url_parses_to_itself(url: str) -> None:
    try:
        parsed = parse_url(url)
    except FetchRejected:
        return
    assert parse_url(f"{parsed.scheme}://{parsed.authority}{parsed.target}") == parsed
    assert f"{parsed.authority}{parsed.target}".isascii()


PRIVATE_NETWORKS = [
    "10.0.0.0/8",
    "127.0.0.0/8",
    "192.168.0.0/16",
    "224.0.0.0/4",
    "::ffff:a00:0/104",
    "fc00::/6",
]


@given(st.one_of(*(st.ip_addresses(network=network) for network in PRIVATE_NETWORKS)))
def test_private_networks_are_private_as_a_whole(address: IPv4Address | IPv6Address) -> None:
    assert not is_public(address)
