"""To which addresses messages may go: none that only this machine or its network can reach.

Who may add a webhook makes this server connect to an address of their choice, which must not open
what is private to it (server-side request forgery). An address in numbers is refused when the
webhook is added, and at each message. A name is looked up when a message is sent,
and the connection is made to an address that was looked at, so no later answer can differ.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import SplitResult, urlsplit

from core.errors import TrainyardError
from core.messages import message

Address = IPv4Address | IPv6Address

_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
"""IPv6 addresses that a gateway turns into the IPv4 address in their last bits (RFC 6052)."""
_NOT_FOR_US = [ipaddress.ip_network(each) for each in ("192.88.99.0/24", "fec0::/10", "3fff::/20")]
"""What `ipaddress` of some Pythons takes for global: former relays of 6to4 (RFC 7526), former
site-local addresses (RFC 3879), and those of documentations (RFC 9637)."""


class Refused(TrainyardError):
    """A message may not go there, or cannot."""


def parsed(address: str) -> SplitResult:
    """The parts of a webhook's address.

    Raises:
        Refused: it is no address of a web server, or holds a name or password before its host.
    """
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        raise Refused(message("webhook.address")) from None
    is_plain = address.isascii() and address.isprintable() and " " not in address
    if not is_plain or parts.scheme not in ("http", "https") or not parts.hostname:
        raise Refused(message("webhook.address"))
    if "@" in parts.netloc:
        raise Refused(message("webhook.address_with_user"))
    return parts


def permitted(
    host: str, port: int, allowed: Sequence[str] = (), *, only: bool = False
) -> list[str]:
    """The addresses of a host to which a connection may be made.

    Args:
        host: its name, or an address.
        port: of the connection.
        allowed: names and networks that may be reached though they are private.
        only: whether no others may be.

    Raises:
        Refused: the host is unknown, or one of its addresses is private, or it is none of these.
    """
    found = _look_up(host, port)
    _refuse(host, found, allowed, only=only)
    return [str(address) for address in found]


def refuse_number(host: str, allowed: Sequence[str] = (), *, only: bool = False) -> None:
    """Refuse a host that is an address itself, as `permitted` would; nothing is looked up.

    Raises:
        Refused: it is private, or it is none of the allowed ones where no others may be.
    """
    try:
        found = _look_up(host, 0, socket.AI_NUMERICHOST)
    except Refused:
        return  # a name, which may lead elsewhere by the time that it is used
    _refuse(host, found, allowed, only=only)


def _refuse(host: str, found: Sequence[Address], allowed: Sequence[str], *, only: bool) -> None:
    name = host.lower().rstrip(".")
    if name not in allowed:
        for address in found:
            if _is_in(address, allowed):
                continue
            if only:
                raise Refused(message("webhook.not_listed", host=host))
            if is_private(address):
                raise Refused(message("webhook.private_address", host=host))


def is_private(address: Address) -> bool:
    """Whether an address leads to this machine, its network, or no single machine at all."""
    meant = _meant(address)
    if any(meant in network for network in _NOT_FOR_US):
        return True
    return not meant.is_global or meant.is_multicast or meant.is_reserved or meant.is_unspecified


def _meant(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for; else the address."""
    if isinstance(address, IPv4Address):
        return address
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _is_in(address: Address, allowed: Sequence[str]) -> bool:
    return any(_meant(address) in network for network in map(_network, allowed) if network)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None  # a name


def _look_up(host: str, port: int, flags: int = 0) -> list[Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    except (OSError, UnicodeError):
        raise Refused(message("webhook.unknown_host", host=host)) from None
    texts = dict.fromkeys(str(each[4][0]).partition("%")[0] for each in found)
    return [ipaddress.ip_address(text) for text in texts]
