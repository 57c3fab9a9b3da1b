"""Finds the proxy for a provider, chosen as the openai library does.

It is read from HTTPS_PROXY or HTTP_PROXY, by the scheme of the URL, then ALL_PROXY, unless NO_PROXY excludes
the host. In contrast to the library, loopback never goes through a proxy.
"""

import ipaddress
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies

from aiohttp import encode_basic_auth

from headrace.kinds import JobFailedError
from headrace.reasons import ErrorReason

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Proxy(NamedTuple):
    """A proxy.

    Attributes:
        url: URL without credentials.
        headers: Headers for the proxy, which hold its credentials.
    """

    url: str
    headers: dict[str, str]


def find_proxy(url: str) -> Proxy | None:
    """Returns the proxy for a URL. None for a direct connection, which loopback always gets.

    Raises:
        JobFailedError: PROVIDER_NOT_CONFIGURED. The variable does not hold the URL of an HTTP proxy.
    """
    target = urlsplit(url)
    proxies = getproxies()
    found = proxies.get(target.scheme) or proxies.get("all")
    if not found or _is_loopback(target.hostname or "") or _is_excluded(target, proxies.get("no", "")):
        return None
    return _read_proxy(found if "://" in found else f"http://{found}")


def _read_proxy(text: str) -> Proxy:
    try:
        parts = urlsplit(text)
        is_usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        is_usable = False
    if not is_usable:
        raise JobFailedError(
            ErrorReason.PROVIDER_NOT_CONFIGURED,
            "the worker's HTTPS_PROXY, HTTP_PROXY or ALL_PROXY is not the URL of an HTTP proxy",
        )
    headers = {}
    if parts.username or parts.password:
        user = unquote(parts.username or "").replace(":", "")  # no user name may contain one
        headers["Proxy-Authorization"] = encode_basic_auth(user, unquote(parts.password or ""))
    return Proxy(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", headers)


def _is_loopback(host: str) -> bool:
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    address = getattr(address, "ipv4_mapped", None) or address
    return address is not None and (address.is_loopback or address.is_unspecified)


def _is_excluded(target: SplitResult, no_proxy: str) -> bool:
    return any(_matches(target, entry.strip().lower()) for entry in no_proxy.split(",") if entry.strip())


def _matches(target: SplitResult, entry: str) -> bool:
    if entry == "*":
        return True
    scheme, separator, rest = entry.rpartition("://")
    if separator and scheme not in ("all", target.scheme):
        return False
    host = (target.hostname or "").lower()
    if "/" in rest:
        return _is_in_network(host, rest)
    pattern, port = _split_port(rest)
    if port is not None and port != (target.port or _DEFAULT_PORTS.get(target.scheme)):
        return False
    if pattern.startswith(("*.", ".")):
        return host.endswith(pattern.removeprefix("*"))
    is_exact = separator or pattern == "localhost" or _address(pattern) is not None
    return host == pattern or (not is_exact and host.endswith(f".{pattern}"))


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
            network.replace("[", "").replace("]", ""), False
        )
    except ValueError:
        return False


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
