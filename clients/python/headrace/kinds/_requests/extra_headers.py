"""Checks the further headers that a job adds to its requests."""

import re
from collections.abc import Mapping

MAX_HEADER_COUNT = 32
_MAX_NAME_LENGTH = 100
_MAX_VALUE_LENGTH = 1_000
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[ -~\t]*")
# Headers that carry secrets, by a part of their names, or by the form of the value.
_SECRET_NAME = re.compile(
    r"api[-_]?key|(access|subscription|virtual|account|private)[-_]?key|auth(?!ors?($|[-_]))|cookie|credential|password"
    r"|secret|signature|(^|[-_])(token|key)$",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(r"(bearer|basic)\s|sk-|gsk_|AIza", re.IGNORECASE)
# Headers of the connection, of the encoding of bodies, and those that lead a request to another place.
_RESERVED = re.compile(
    r"accept(-.*)?|connection|content-.*|date|expect|forwarded|x-forwarded-.*|(.*-)?(host|upstream)"
    r"|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|user-agent|via|x-http-method.*"
    r"|.*(base|target|host|upstream)[-_]?url",
    re.IGNORECASE,
)
# One value for all calls would make the provider answer all of them alike.
_OF_ONE_CALL = {"idempotency-key", "x-idempotency-key", "x-request-id", "x-client-request-id"}


def check_extra_headers(headers: Mapping[str, str]) -> None:
    """Checks further headers of a request.

    Raises:
        ValueError: A header must not be set. The message names it and the remedy, and never a value.
    """
    if len(headers) > MAX_HEADER_COUNT:
        raise ValueError(f"must have at most {MAX_HEADER_COUNT} headers")
    names = set()
    for position, (name, value) in enumerate(headers.items()):
        if not _NAME.fullmatch(name) or len(name) > _MAX_NAME_LENGTH:
            raise ValueError(
                f"the name at position {position} must be 1 to {_MAX_NAME_LENGTH} ASCII letters, digits and "
                "hyphens"
            )
        _check_header(name, value)
        if name.lower() in names:
            raise ValueError(f"must not set {name.lower()} twice; upper and lower case are the same")
        names.add(name.lower())


def _check_header(name: str, value: str) -> None:
    if not _VALUE.fullmatch(value) or len(value) > _MAX_VALUE_LENGTH:
        raise ValueError(
            f"the value of {name} must be at most {_MAX_VALUE_LENGTH:,} ASCII characters without line breaks"
        )
    if name.lower() in _OF_ONE_CALL:
        raise ValueError(f"must not set {name}: it would be the same for all calls; remove it")
    if _SECRET_NAME.search(name) or _SECRET_VALUE.match(value.strip()):
        raise ValueError(
            f"must not set {name}: it carries a secret, and params are stored as they are; "
            "keys belong to the settings of the worker (OPENAI_API_KEY, OPENAI_CUSTOM_HEADERS)"
        )
    if _RESERVED.fullmatch(name):
        raise ValueError(f"must not set {name}, which belongs to the connection of the worker; remove it")
