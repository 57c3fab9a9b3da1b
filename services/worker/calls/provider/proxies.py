"""Finds the proxy for a provider, chosen as the openai library does.

It is read from HTTPS_PROXY or HTTP_PROXY, by the scheme of the URL, then ALL_PROXY, unless NO_PROXY excludes
the host. In contrast to the library, loopback never goes through a proxy.
"""

from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies

from aiohttp import encode_basic_auth

from headrace.kinds import JobFailedError
from headrace.no_proxy import is_excluded, is_local
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
    host, port = target.hostname or "", target.port or _DEFAULT_PORTS.get(target.scheme)
    if (
        not found
        or is_local(host)
        or is_excluded(host, proxies.get("no", ""), scheme=target.scheme, port=port)
    ):
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
