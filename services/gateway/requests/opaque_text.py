"""Opaque tokens: JSON in URL-safe base64. Clients must not rely on the format."""

import base64
import binascii
from typing import Any

import orjson

_MAX_LENGTH = 1024


def seal(values: list[Any]) -> str:
    """Returns a token that contains JSON values."""
    return base64.urlsafe_b64encode(orjson.dumps(values)).decode().rstrip("=")


def unseal(token: str) -> list[Any] | None:
    """Returns the values of a token; None for a text that ``seal`` did not make."""
    if len(token) > _MAX_LENGTH:
        return None
    try:
        padded = token.encode() + b"=" * (-len(token) % 4)
        values = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, orjson.JSONDecodeError):
        return None
    return values if isinstance(values, list) else None
