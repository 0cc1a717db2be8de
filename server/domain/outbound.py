"""Which addresses easel may connect to on a client's word. Pure decisions; nothing is looked up here."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias
from urllib.parse import quote, urlsplit

from server.domain.errors import EaselError

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

MAX_URL: Final = 2048
_PORTS: Final = {"http": 80, "https": 443}
_FIRST_OPEN_PORT: Final = 1024
_FORBIDDEN: Final = re.compile(r"[\x00-\x20\x7f-\xa0\\]")
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,253}")
_PATH_SAFE: Final = "/%:@!$&'()*+,;=~-._?"


class Refused(EaselError):
    """This address may not be connected to."""

    def __init__(self, message: str, *, permit: str = "", for_good: bool = False) -> None:
        """`permit` is what the operator would add to the setting; `for_good`: no setting and no time changes it."""
        super().__init__(message)
        self.permit = permit
        self.for_good = for_good


class NoAnswer(EaselError):
    """The other side gave no usable answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A URL taken apart once; nobody parses it again. `host` is ASCII, lower case, without brackets."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def endpoint(self) -> str:
        """Host and port: what is up or down as one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Permits:
    """Private targets the operator permits: names as they stand in URLs, and networks."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    own_ports: frozenset[int] = field(default=frozenset())
    """Ports on loopback that stay closed: easel's own."""


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)


# Nothing on these is ever a receiver: the metadata services of clouds, link-local, multicast, "this host", reserved.
_NEVER: Final = _networks(
    *("0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"),
    *("100.100.100.200/32", "168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24"),
    *("::/128", "fe80::/10", "ff00::/8", "fd00:ec2::/32", "fd20:ce::254/128"),
)

_PRIVATE_V4: Final = _networks(
    *("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15"),
    *("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),
)
_GLOBAL_V6: Final = IPv6Network("2000::/3")
_NOT_GLOBAL_V6: Final = _networks("2001::/23", "2001:db8::/32", "3fff::/20")

_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_COMPATIBLE: Final = IPv6Network("::/96")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR: Final = IPv6Network("2002::/16")
_TUNNELS: Final = _networks("2001::/32", "64:ff9b:1::/48", "::ffff:0:0:0/96")
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})
_LOOPBACK_V6: Final = IPv6Address("::1")
_MASK_32: Final = 0xFFFFFFFF


def parse_target(url: str) -> Target:
    """Take an http(s) URL apart. Raises Refused, for good, with one plain sentence."""
    if len(url) > MAX_URL:
        raise _broken(f"it is longer than {MAX_URL} characters")
    if _FORBIDDEN.search(url):
        raise _broken("it holds spaces, backslashes or control characters")
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname or "", parts.port
    except ValueError:
        raise _broken("its host or port can't be read") from None
    if scheme not in _PORTS:
        raise _broken("it does not begin with http:// or https://")
    if "@" in parts.netloc:
        raise _broken("it carries a user name")
    port = _PORTS[scheme] if port is None else port
    if port not in _PORTS.values() and port < _FIRST_OPEN_PORT:
        raise _broken(f"port {port} is no web server's; use 80, 443 or one from {_FIRST_OPEN_PORT} on")
    path = quote(f"{parts.path or '/'}{parts.query and '?'}{parts.query}", safe=_PATH_SAFE)
    return Target(scheme=scheme, host=_host(host, bracketed="[" in parts.netloc), port=port, path=path)


def parse_permits(text: str, own_ports: Iterable[int] = ()) -> Permits:
    """Read hosts and networks, separated by commas. Raises ValueError that names the one that is neither."""
    hosts: set[str] = set()
    networks: list[Network] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            networks.append(ip_network(part.strip("[]"), strict=False))
        except ValueError:
            name = part.lower().rstrip(".")
            if not _NAME.fullmatch(name):
                raise ValueError(part) from None
            hosts.add(name)
    return Permits(frozenset(hosts), tuple(networks), frozenset(own_ports))


def choose_addresses(target: Target, found: Iterable[str], permits: Permits, setting: str) -> tuple[str, ...]:
    """Return the addresses to connect to: all that the name resolved to. Raises Refused unless every one is allowed."""
    addresses = tuple(dict.fromkeys(found))
    if not addresses:
        raise NoAnswer(f"the name {target.host} has no address")
    for text in addresses:
        _check(target, text, permits, setting)
    return addresses


def unwrap(address: Address) -> Address | None:
    """Return the address packets really go to; None for a tunnel whose end can't be known."""
    if isinstance(address, IPv4Address):
        return address
    if any(address in network for network in _TUNNELS) or (int(address) >> 32) & _MASK_32 in _ISATAP:
        return None
    if address in _SIX_TO_FOUR:
        return IPv4Address((int(address) >> 80) & _MASK_32)
    embeds = address in _MAPPED or address in _NAT64 or (address in _COMPATIBLE and int(address) > 1)
    return IPv4Address(int(address) & _MASK_32) if embeds else address


def _check(target: Target, text: str, permits: Permits, setting: str) -> None:
    bare, _, zone = text.partition("%")
    address = None if zone else unwrap(ip_address(bare))
    if address is None or any(address in network for network in _NEVER):
        raise Refused(
            f"{target.host} points to an address that is never connected to (metadata, link-local or reserved); "
            "give the address of a web server"
        )
    if _is_global(address):
        return
    if address.is_loopback and target.port in permits.own_ports:
        raise Refused(f"port {target.port} on this machine is easel's own; give the address of another server")
    if target.host.rstrip(".") in permits.hosts or any(address in network for network in permits.networks):
        return
    raise Refused(
        f"{target.host} points into a private network, where easel connects only with the operator's permission: "
        f"{setting}={target.host}",
        permit=target.host,
    )


def _is_global(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _PRIVATE_V4)
    return address in _GLOBAL_V6 and not any(address in network for network in _NOT_GLOBAL_V6)


def _host(host: str, *, bracketed: bool) -> str:
    if bracketed:
        try:
            return str(IPv6Address(host)) if "%" not in host else _no_host()
        except ValueError:
            return _no_host()
    try:
        name = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return _no_host()
    return name.lower() if _NAME.fullmatch(name) else _no_host()


def _no_host() -> str:
    raise _broken("its host is no name and no address")


def _broken(why: str) -> Refused:
    return Refused(f"the URL can't be used: {why}", for_good=True)
