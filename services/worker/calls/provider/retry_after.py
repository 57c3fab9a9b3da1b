"""Reads the delay that a provider asks for before the next call."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# A longer delay is a mistake of the provider. In seconds.
MAX_WAIT_SECONDS = 86_400.0


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Returns the delay in seconds, from 0 to a day. None if the headers ask for none.

    Reads ``retry-after-ms``, then ``retry-after`` in seconds or as a date. A date is compared with the
    response's own ``date``, so that a wrong clock on this machine does no harm.

    Args:
        headers: Headers of a response. Names are case-insensitive.
    """
    for name, seconds_per_unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return _clamp(float(headers[name]) * seconds_per_unit)
        except (KeyError, ValueError):
            continue
    until = _read_date(headers.get("retry-after"))
    if until is None:
        return None
    start = _read_date(headers.get("date")) or datetime.now(UTC)
    return _clamp((until - start).total_seconds())


def _clamp(seconds: float) -> float:
    if math.isnan(seconds):
        raise ValueError("not a number")
    return min(max(seconds, 0.0), MAX_WAIT_SECONDS)


def _read_date(text: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(text) if text else None
    except (ValueError, OverflowError):  # OverflowError: an absurd time zone
        return None
    return date.replace(tzinfo=UTC) if date is not None and date.tzinfo is None else date
