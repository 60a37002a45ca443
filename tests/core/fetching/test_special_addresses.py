"""Public addresses are those outside of each row of IANA's registries, on any version of Python."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import pytest

from emulator.core.fetching.special_addresses import (
    EMBEDDED_IPV4,
    SPECIAL_IPV4,
    SPECIAL_IPV6,
    is_public,
)

IPV4_NETWORKS = [network for network, _purpose in SPECIAL_IPV4]
IPV6_NETWORKS = [network for network, _purpose in SPECIAL_IPV6]
# What no row has to name, since it lies outside of 2000::/3.
OUTSIDE_OF_UNICAST = ["::/128", "::1/128", "::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64"]
OUTSIDE_OF_UNICAST += ["4000::/3", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"]


@pytest.mark.parametrize("network", [*IPV4_NETWORKS, *IPV6_NETWORKS, *OUTSIDE_OF_UNICAST])
def test_the_first_the_middle_and_the_last_address_of_a_row_are_not_public(network: str) -> None:
    row = ip_network(network)
    for address in (row[0], row[row.num_addresses // 2], row[-1]):
        assert not is_public(address), address


@pytest.mark.parametrize("network", IPV4_NETWORKS)
@pytest.mark.parametrize("embedding", [network for network, _purpose in EMBEDDED_IPV4])
def test_an_address_that_contains_a_private_one_is_not_public(network: str, embedding: str) -> None:
    prefix = int(IPv6Network(embedding).network_address)
    for address in (ip_network(network)[0], ip_network(network)[-1]):
        assert not is_public(IPv6Address(prefix | int(address)))
    assert is_public(IPv6Address(prefix | int(IPv4Address("20.42.65.92"))))


@pytest.mark.parametrize(
    "address",
    [
        "192.0.0.8", "192.0.0.9", "192.0.0.10", "192.0.0.170", "192.0.0.192", "192.88.99.1",
        "100.100.100.200", "168.63.129.16", "169.254.169.254", "169.254.169.253", "255.255.255.255",
        "2001:0:53aa:64c::1", "2001:1::1", "2001:2::1", "2001:20::1", "2002:0808:0808::1", "3fff::1",
        "fd00:ec2::254", "fe80::a9fe:a9fe", "fec0::1", "::8.8.8.8",
    ],
)  # fmt: skip
def test_addresses_that_versions_of_python_classify_differently(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "128.0.0.0", "168.63.129.15",
        "168.63.129.17", "169.253.255.255", "172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0",
        "192.0.3.0", "192.88.98.255", "192.88.100.0", "192.167.255.255", "192.169.0.0", "198.17.255.255",
        "198.20.0.0", "198.51.99.255", "203.0.114.0", "223.255.255.255",
        "2000::1", "2001:200::1", "2001:4860:4860::8888", "2003::1", "2606:4700::1111", "2a00::1", "3ffd::1",
    ],
)  # fmt: skip
def test_the_neighbours_of_special_networks_are_public(address: str) -> None:
    assert is_public(ip_address(address))
