"""Hosts that are not reached through a proxy: those of this machine, and those that NO_PROXY lists."""

import ipaddress
import socket

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_local(host: str) -> bool:
    """Returns whether a name or an address is one of this machine."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and (address.is_loopback or address.is_unspecified)


def is_excluded(host: str, no_proxy: str, *, scheme: str = "", port: int | None = None) -> bool:
    """Returns whether NO_PROXY lists a host.

    Its entries are separated by commas: ``*``, a domain with its subdomains, ``.domain`` or ``*.domain`` for
    subdomains alone, an address, or a network such as ``10.0.0.0/8``. An entry with a scheme or a port counts
    for that one alone.

    Args:
        host: Name or address.
        no_proxy: Value of NO_PROXY.
        scheme: Scheme of the connection. Entries with a scheme do not count if it is empty.
        port: Port of the connection. None: the ports of entries are ignored.
    """
    name = host.lower().rstrip(".")
    return any(
        _matches(name, scheme, port, entry.strip()) for entry in no_proxy.lower().split(",") if entry.strip()
    )


def _matches(host: str, scheme: str, port: int | None, entry: str) -> bool:
    if entry == "*":
        return True
    entry_scheme, separator, rest = entry.rpartition("://")
    if separator and entry_scheme not in ("all", scheme):
        return False
    if "/" in rest:
        return _is_in_network(host, rest)
    pattern, entry_port = _split_port(rest)
    if None not in (port, entry_port) and port != entry_port:
        return False
    if pattern.startswith(("*.", ".")):
        return host.endswith(pattern.removeprefix("*"))
    is_exact = separator or pattern == "localhost" or _address(pattern) is not None
    return bool(pattern) and (host == pattern or (not is_exact and host.endswith(f".{pattern}")))


def _split_port(entry: str) -> tuple[str, int | None]:
    if _address(entry) is not None:
        return entry, None
    host, separator, port = entry.rpartition(":")
    if separator and port.isdigit():
        return host.strip("[]"), int(port)
    return entry.strip("[]"), None


def _is_in_network(host: str, network: str) -> bool:
    address = _address(host)
    try:
        return address is not None and address in ipaddress.ip_network(
            network.replace("[", "").replace("]", ""), strict=False
        )
    except ValueError:
        return False


def _address(host: str) -> _Address | None:
    try:
        address: _Address = ipaddress.ip_address(host)
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))  # short forms, such as 127.1
        except (OSError, ValueError):
            return None
    return getattr(address, "ipv4_mapped", None) or address
