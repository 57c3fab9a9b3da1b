"""Reads how many more calls a provider accepts before it rejects any."""

from collections.abc import Mapping


def read_remaining(headers: Mapping[str, str], token_count: int) -> int | None:
    """Returns the remaining number of calls. None if the headers do not say.

    Reads ``x-ratelimit-remaining-requests`` and ``x-ratelimit-remaining-tokens``, and returns the lower
    number.

    Args:
        headers: Headers of a response. Names are case-insensitive.
        token_count: Tokens of a call like this one. If 0, they are unknown, and remaining tokens are ignored.
    """
    found = [_read(headers, "requests")]
    tokens = _read(headers, "tokens")
    if tokens is not None and token_count:
        found.append(tokens // token_count)
    return min((count for count in found if count is not None), default=None)


def _read(headers: Mapping[str, str], unit: str) -> int | None:
    try:
        return max(0, int(headers[f"x-ratelimit-remaining-{unit}"]))
    except (KeyError, ValueError):
        return None
