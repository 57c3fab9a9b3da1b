"""Checks and completes the address of a gateway."""

import ipaddress
import os
import re

from headrace.errors import FieldViolation, InvalidArgumentError

DEFAULT_PORT = 50051
DEFAULT_TARGET = f"localhost:{DEFAULT_PORT}"
VARIABLE = "HEADRACE_TARGET"

_WANTED = "must be host:port of a gateway, such as localhost:50051"
_PLAIN_SCHEMES = ("http://", "grpc://")
_TLS_SCHEMES = ("https://", "grpcs://")
# Names that gRPC resolves. They are passed on as they are.
_GRPC_NAME = re.compile(r"(?:dns|ipv4|ipv6|unix|unix-abstract|vsock|xds|google-c2p):", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?")


def gateway_target(given: str | None) -> str:
    """Returns the address to connect to: the given one, else HEADRACE_TARGET, else localhost:50051.

    An address without a port gets port 50051, and ``http://`` is left out.

    Args:
        given: ``host:port``, or any gRPC name. None: not given.

    Raises:
        InvalidArgumentError: The address cannot name a gateway. The message says what is expected.
    """
    if given is not None:
        return _completed(given, "target")
    variable = os.environ.get(VARIABLE, "")
    return _completed(variable, VARIABLE) if variable.strip() else DEFAULT_TARGET


def _completed(text: str, field: str) -> str:
    target = text.strip()
    if not target:
        raise _refused(field, f"is empty: it {_WANTED}")
    if not target.isprintable() or " " in target:
        raise _refused(field, f"contains blanks or control characters: it {_WANTED}")
    if _GRPC_NAME.match(target):
        return target
    lowered = target.lower()
    if lowered.startswith(_TLS_SCHEMES):
        raise _refused(
            field, f"asks for TLS, which this client does not speak: it {_WANTED}, without https://"
        )
    for scheme in _PLAIN_SCHEMES:
        if lowered.startswith(scheme):
            target = target[len(scheme) :].removesuffix("/")
    if _SCHEME.match(target):
        raise _refused(field, f"has an unknown scheme: it {_WANTED}")
    if re.search("[/?#@]", target):
        raise _refused(field, f"contains more than an address: it {_WANTED}, without a user or a path")
    return _with_port(target, field)


def _with_port(target: str, field: str) -> str:
    if _is_ipv6(target):
        return f"[{target}]:{DEFAULT_PORT}"
    in_brackets = re.fullmatch(r"\[(.+)\](?::(.*))?", target)
    if in_brackets is not None:
        host, port = in_brackets[1], in_brackets[2]
        if not _is_ipv6(host):
            raise _refused(field, "has no IPv6 address in its brackets, such as [::1]:50051")
        shown = f"[{host}]"
    else:
        host, colon, after = target.partition(":")
        port = after if colon else None
        shown = host
        if not _HOST.fullmatch(host) and host.isascii():
            raise _refused(field, f"has no valid host name: it {_WANTED}")
    if port is None:
        return f"{shown}:{DEFAULT_PORT}"
    if not re.fullmatch("[0-9]{1,5}", port) or not 1 <= int(port) <= 65_535:
        raise _refused(field, "needs a port from 1 to 65535, such as localhost:50051")
    return f"{shown}:{port}"


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _refused(field: str, problem: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"{field} {problem}", violations=[FieldViolation(field, problem)])
