"""Opens sockets to the outside, to addresses that were checked: the gate of the one way out, plugin.outbound."""

import ipaddress
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from requests_hardened.ip_filter import EXTRA_BLOCKED_NET_RANGES  # type: ignore[import-untyped] # it ships no types

from plugin.errors import Refused

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

GLOBAL_V6 = ipaddress.ip_network("2000::/3")
NAT64 = ipaddress.ip_network("64:ff9b::/96")
COMPATIBLE = ipaddress.ip_network("::/96")
# Where clouds tell a machine its own secrets, beside link-local addresses: Azure, Alibaba, Oracle, Amazon.
METADATA = frozenset(
    map(ipaddress.ip_address, ("168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254"))
)
ADDRESSES_TRIED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Opens sockets to checked addresses: public ones and those of `allowed`, never link-local ones or METADATA.

    The check stands where the socket is opened, so the address that was checked is the address connected to,
    whatever the name resolves to a moment later, and an open connection needs no second look-up. (The filter of
    requests-hardened resolves before every request, knows one address of a name, and can allow loopback or
    nothing; its list of further blocked ranges serves here.)
    """

    allowed: tuple[Network, ...]
    resolve: float
    patience: float

    def lets(self, text: str) -> bool:
        """Say whether this address, as the resolver gave it, may be connected to."""
        address = ipaddress.ip_address(text.partition("%")[0])  # without the zone of a link
        if any(form.is_link_local or form in METADATA for form in _forms(address)):
            return False
        plain = getattr(address, "ipv4_mapped", None) or address
        if any(form in network for network in self.allowed for form in (address, plain)):
            return True
        if any(plain in network for network in EXTRA_BLOCKED_NET_RANGES) or plain.is_multicast:
            return False
        return plain.is_global and (isinstance(plain, ipaddress.IPv4Address) or plain in GLOBAL_V6)

    def open(self, host: str, port: int, *, timeout: float | None) -> socket.socket:
        """Return a connected socket; raise Refused when no address of this host may be connected to."""
        found = _resolved(host, port, seconds=self.resolve)
        targets = [row for row in found if self.lets(str(row[4][0]))]
        if not targets:
            raise Refused(
                f"{host} stands at an address that is not public and not in HERKEND_ALLOW_NETWORKS."
            )
        problem: OSError | None = None
        for family, kind, protocol, _, address in targets[:ADDRESSES_TRIED]:
            try:
                return _connected(socket.socket(family, kind, protocol), address, timeout=timeout)
            except OSError as error:
                problem = error
        raise problem or OSError


def _resolved(host: str, port: int, *, seconds: float) -> Sequence[Any]:
    """Return the rows of getaddrinfo, or raise its error; in time, though it cannot be interrupted.

    One that takes longer is left to itself, in a thread that ends when the system's own patience does.
    """
    answers: SimpleQueue[Sequence[Any] | Exception] = SimpleQueue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised where it was asked for
            answers.put(error)

    threading.Thread(target=ask, name="resolver", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except Empty:
        raise socket.gaierror(socket.EAI_AGAIN, "no answer in time") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _forms(address: Address) -> list[Address]:
    """Return the address and what it stands for where it is IPv4 in the guise of IPv6."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    inside = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in NAT64 or address in COMPATIBLE:
        inside.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [address, *(form for form in inside if form)]


def _connected(line: socket.socket, address: Any, *, timeout: float | None) -> socket.socket:  # noqa: ANN401 - as resolved
    try:
        line.settimeout(timeout)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.connect(address)
    except BaseException:
        line.close()
        raise
    return line
