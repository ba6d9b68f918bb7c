"""Where requests may lead whose address others named: not inside, unless the admin says so.

A policy names the address of a model's server. Whoever writes it must not reach what only this
machine reaches: its own services, its network, the cloud's metadata with the machine's credentials.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

SETTING = "LABELGATE_ALLOWED_ADDRESSES"
Address = IPv4Address | IPv6Address

# What hands out credentials or stands for no host at all; listing a name never opens these.
_NEVER = tuple(
    ip_network(each)
    for each in (
        "0.0.0.0/8",
        "169.254.0.0/16",  # link-local: AWS, Azure, Google, Oracle and most others
        "100.100.100.200/32",  # Alibaba
        "168.63.129.16/32",  # Azure's host, a public address
        "192.0.0.192/32",  # Oracle's older one
        "fe80::/10",
        "fd00:ec2::254/128",  # AWS
        "fd20:ce::254/128",  # Google
        "::/128",
    )
)
# Addresses of IPv6 that a router takes for one of IPv4, which stands in their last 32 bits.
_TRANSLATED = tuple(ip_network(each) for each in ("64:ff9b::/96", "::ffff:0:0:0/96", "::/96"))
# Of a network's own translators (RFC 8215), each of which may have that address elsewhere in it.
_OWN_TRANSLATED = ip_network("64:ff9b:1::/48")


class DestinationRefusedError(Exception):
    """No connection is made there; the message says where it would have led, and the way out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """One that the admin lists: a network, or a host's name (``.name``: all below it).

    ``port`` is the only one meant; None: all.
    """

    network: IPv4Network | IPv6Network | None = None
    name: str | None = None
    port: int | None = None

    def covers(self, host: str, port: int, address: Address) -> bool:
        """Whether a connection to this host and address is one of those meant."""
        if self.port not in {None, port}:
            return False
        if self.network is not None:
            return address in self.network
        name = self.name or ""
        host = host.rstrip(".").lower()
        return host.endswith(name) if name.startswith(".") else host == name


@dataclass(frozen=True, slots=True, kw_only=True)
class Destinations:
    """Where connections may lead: outside, and to what is ``allowed`` inside.

    With ``settled`` the admin named the address itself in the settings: it may be inside too, as
    long as it hands out no credentials.
    """

    allowed: tuple[Allowed, ...] = ()
    settled: bool = False

    def refuse(self, host: str, port: int, address: Address) -> None:
        """Raises ``DestinationRefusedError`` where a connection may not lead to the address."""
        meant = _embedded(address)
        covering = [each for each in self.allowed if each.covers(host, port, meant)]
        if any(each.network is not None for each in covering):
            return
        if any(meant in network for network in _NEVER) or meant.is_multicast:
            raise DestinationRefusedError(
                f"leads to {address}, which is link-local, of a cloud's metadata, or no host: no "
                f"request goes there (only {SETTING} with the address itself opens it)"
            )
        if self.settled or covering or (_is_outside(meant) and address not in _OWN_TRANSLATED):
            return
        raise DestinationRefusedError(
            f"leads to {address}, an address inside a network: if that is meant, add "
            f"{' or '.join(dict.fromkeys((host, str(address))))} to {SETTING}"
        )

    def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host that connections may lead to, in the order to try them.

        Raises ``DestinationRefusedError`` where there are addresses and none may be used,
        ``OSError`` where there is none.
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except UnicodeError:  # an empty part, or one of more than 63 characters
            raise OSError(f"{host[:80]!r} is no name of a host") from None
        refusals: list[DestinationRefusedError] = []
        usable: dict[str, None] = {}
        for *_, reached in found:
            address = str(reached[0])
            try:
                self.refuse(host, port, ip_address(address.partition("%")[0]))
            except DestinationRefusedError as error:
                refusals.append(error)
            else:
                usable[address] = None
        if not usable and refusals:
            raise refusals[0]
        return list(usable)


OUTSIDE = Destinations()
SETTLED = Destinations(settled=True)


def allowed_of(text: str) -> tuple[Allowed, ...]:
    """The list that an admin writes: hosts, addresses and networks, each with or without a port.

    Raises ``ValueError``, which names the entry, where one is none.

    >>> [each.name or str(each.network) for each in allowed_of("yolo, 10.0.0.0/8, [::1]:9090")]
    ['yolo', '10.0.0.0/8', '::1/128']
    """
    return tuple(_allowed(each.strip()) for each in text.split(",") if each.strip())


@lru_cache(maxsize=4)
def networks_of(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """A list of addresses and networks. Raises ``ValueError``, which names the entry.

    >>> [str(each) for each in networks_of("10.1.2.3, fd00::/8")]
    ['10.1.2.3/32', 'fd00::/8']
    """
    return tuple(ip_network(each.strip()) for each in text.split(",") if each.strip())


def is_in(networks: tuple[IPv4Network | IPv6Network, ...], address: str) -> bool:
    """Whether an address is in one of them; what is no address is in none."""
    try:
        meant = _embedded(ip_address(address.partition("%")[0]))
    except ValueError:
        return False
    return any(meant in network for network in networks)


def _allowed(entry: str) -> Allowed:
    host, port = _split(entry)
    try:
        return Allowed(network=ip_network(host), port=port)
    except ValueError:
        if "/" in host or not host.removeprefix(".") or not _is_name(host):
            raise ValueError(
                f"{entry!r} is no host, address or network: write yolo, yolo:9090, .models.example,"
                " 10.1.2.3, 10.0.0.0/8 or [::1]:9090"
            ) from None
    return Allowed(name=host.rstrip(".").lower(), port=port)


def _split(entry: str) -> tuple[str, int | None]:
    """The host and the port; an address of IPv6 with a port stands in brackets."""
    if entry.startswith("["):
        host, _, rest = entry[1:].partition("]")
    elif entry.count(":") == 1:
        host, _, rest = entry.partition(":")
        rest = f":{rest}"
    else:
        host, rest = entry, ""
    if not rest:
        return host, None
    digits = rest.removeprefix(":")
    if not digits.isascii() or not digits.isdigit() or not 0 < int(digits) < 65536:
        raise ValueError(f"{entry!r}: {digits!r} is no port")
    return host, int(digits)


def _is_name(host: str) -> bool:
    letters = host.replace("-", "").replace("_", "").replace(".", "")
    return letters.isascii() and letters.isalnum() and not host.replace(".", "").isdigit()


def _embedded(address: Address) -> Address:
    """The address of IPv4 that one of IPv6 stands for; else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is not None:
        return inner
    if any(address in network for network in _TRANSLATED) and int(address) > 1:  # "::", "::1"
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_outside(address: Address) -> bool:
    site_local = isinstance(address, IPv6Address) and address.is_site_local
    return address.is_global and not site_local
