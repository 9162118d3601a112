"""Which addresses are near enough for words in the clear."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

_NEAR = tuple(
    ip_network(network)
    for network in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "100.64.0.0/10",  # what Tailscale gives out (RFC 6598)
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)


def is_address(host: str) -> bool:
    """Whether this is an address and no name."""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def is_near(address: str) -> bool:
    """Whether this address is the machine's own, a private network's or a tunnel's."""
    try:
        read = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(read, "ipv4_mapped", None)
    return any((mapped or read) in network for network in _NEAR)
