"""How many more calls a provider says it would take, before it turns any away."""

from collections.abc import Mapping


def read_remaining(headers: Mapping[str, str], token_count: int) -> int | None:
    """Returns the calls that are left, or None where the headers say nothing.

    Reads ``x-ratelimit-remaining-requests`` and ``x-ratelimit-remaining-tokens``, and takes the lower.

    Args:
        headers: Of an answer; names in any case.
        token_count: Tokens of a call such as this one; 0: unknown, and tokens are passed over.
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
