"""Which IP addresses are public: IANA's registries of special-purpose addresses, as of 2025.

`ipaddress.is_global` follows the registries of the time at which the version of Python was released.
Some rows are more general than the registry: nothing that serves images has one of the addresses in them that
the registry marks as globally reachable.

Sources: https://www.iana.org/assignments/iana-ipv4-special-registry,
https://www.iana.org/assignments/iana-ipv6-special-registry, and RFC 5771 and RFC 4291 for multicast.
"""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Network and what it is for.
SPECIAL_IPV4 = (
    ("0.0.0.0/8", "this network, RFC 791"),
    ("10.0.0.0/8", "private use, RFC 1918"),
    ("100.64.0.0/10", "shared addresses of providers, RFC 6598; metadata of Alibaba Cloud"),
    ("127.0.0.0/8", "loopback, RFC 1122"),
    ("168.63.129.16/32", "public, but the host of an Azure virtual machine responds to it"),
    ("169.254.0.0/16", "link-local, RFC 3927; metadata of most clouds"),
    ("172.16.0.0/12", "private use, RFC 1918"),
    ("192.0.0.0/24", "IETF protocol assignments, RFC 6890; metadata of older Oracle Cloud"),
    ("192.0.2.0/24", "documentation, RFC 5737"),
    ("192.31.196.0/24", "AS112, RFC 7535: DNS only"),
    ("192.52.193.0/24", "automatic multicast tunneling, RFC 7450"),
    ("192.88.99.0/24", "6to4 relays, RFC 7526"),
    ("192.168.0.0/16", "private use, RFC 1918"),
    ("192.175.48.0/24", "AS112, RFC 7534: DNS only"),
    ("198.18.0.0/15", "benchmarking, RFC 2544"),
    ("198.51.100.0/24", "documentation, RFC 5737"),
    ("203.0.113.0/24", "documentation, RFC 5737"),
    ("224.0.0.0/4", "multicast, RFC 5771"),
    ("240.0.0.0/4", "reserved, and broadcast, RFC 1112"),
)
# Only global unicast addresses can be public, so the table has no rows outside of that network.
GLOBAL_UNICAST_IPV6 = "2000::/3"
SPECIAL_IPV6 = (
    ("2001::/23", "IETF protocol assignments, RFC 2928: Teredo, benchmarking, ORCHID and others"),
    ("2001:db8::/32", "documentation, RFC 3849"),
    ("2002::/16", "6to4, RFC 3056: leads to the IPv4 address in it"),
    ("2620:4f:8000::/48", "AS112, RFC 7534: DNS only"),
    ("3ffe::/16", "6bone, RFC 3701: no longer assigned"),
    ("3fff::/20", "documentation, RFC 9637"),
)
# Networks whose last 32 bits are the IPv4 address that is connected to.
EMBEDDED_IPV4 = (
    ("::ffff:0:0/96", "IPv4-mapped, RFC 4291"),
    ("64:ff9b::/96", "NAT64, RFC 6052: how IPv6-only networks reach IPv4 addresses"),
)


def _networks(rows: tuple[tuple[str, str], ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(network) for network, _purpose in rows)


_SPECIAL_IPV4 = _networks(SPECIAL_IPV4)
_SPECIAL_IPV6 = _networks(SPECIAL_IPV6)
_GLOBAL_UNICAST_IPV6 = ipaddress.IPv6Network(GLOBAL_UNICAST_IPV6)
_EMBEDDED_IPV4 = _networks(EMBEDDED_IPV4)


def is_public(address: Address) -> bool:
    """Whether an address is public. One that contains an IPv4 address is as public as that address."""
    if isinstance(address, ipaddress.IPv6Address):
        if any(address in network for network in _EMBEDDED_IPV4):
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
        return address in _GLOBAL_UNICAST_IPV6 and not any(address in network for network in _SPECIAL_IPV6)
    return not any(address in network for network in _SPECIAL_IPV4)
