"""Addresses to listen on."""

import ipaddress
import socket


def is_loopback(host: str) -> bool:
    """True when only programs on this machine can reach the host."""
    try:
        addresses = [information[4][0] for information in socket.getaddrinfo(host, None)]
    except OSError:
        return False
    return all(ipaddress.ip_address(str(address).partition("%")[0]).is_loopback for address in addresses)


# Hosts of Azure are reached with https only: a key that was sent without it is known to others.
AZURE_HOSTS = (".azure.com", ".microsoft.com", ".azure.us", ".azure.cn", ".windows.net")
