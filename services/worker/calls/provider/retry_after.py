"""Reads the delay that a provider asks for before the next call."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

# A longer delay is a mistake of the provider. In seconds.
MAX_WAIT_SECONDS = 86_400.0
# A greater number is a moment in seconds since 1970, and one a thousand times as great is in milliseconds.
_FIRST_MOMENT = 1.5e9
# A delay with a unit, or one that a proxy has doubled.
_DELAY = re.compile(r"\s*(\d+(?:\.\d*)?)\s*(m?)s?\s*(?:,|$)")


def read_retry_after(headers: Mapping[str, str], body: object = None) -> float | None:
    """Returns the delay in seconds, from 0 to a day. None if the response asks for none.

    Reads ``retry-after-ms``, then ``retry-after`` in seconds, as a moment in seconds since 1970, or as a
    date. A moment is compared with the response's own ``date``, so that a wrong clock on this machine does no
    harm. Then reads the RetryInfo of an error of Google's.

    Args:
        headers: Headers of a response. Names are case-insensitive.
        body: Decoded body, of any form.
    """
    start = _read_date(headers.get("date")) or datetime.now(UTC)
    for name, seconds_per_unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        seconds = _read_delay(headers.get(name, ""), seconds_per_unit)
        if seconds is not None:
            return _clamp(_from_moment(seconds, start))
    until = _read_date(headers.get("retry-after"))
    if until is not None:
        return _clamp((until - start).total_seconds())
    return _read_retry_info(body)


def _read_delay(text: str, seconds_per_unit: float) -> float | None:
    try:
        seconds = float(text) * seconds_per_unit
        return None if math.isnan(seconds) else seconds
    except ValueError:
        found = _DELAY.match(text)
    if found is None:
        return None
    return float(found[1]) * (0.001 if found[2] else seconds_per_unit)


def _from_moment(seconds: float, start: datetime) -> float:
    if math.isinf(seconds) or seconds < _FIRST_MOMENT:
        return seconds
    moment = seconds / 1_000 if seconds >= 1_000 * _FIRST_MOMENT else seconds
    return moment - start.timestamp()


def _read_retry_info(body: object) -> float | None:
    envelope = body[0] if isinstance(body, list) and body else body
    error = envelope.get("error") if isinstance(envelope, dict) else None
    details: Any = error.get("details") if isinstance(error, dict) else None
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        seconds = _read_delay(delay, 1.0) if isinstance(delay, str) else None
        if seconds is not None:
            return _clamp(seconds)
    return None


def _clamp(seconds: float) -> float:
    return min(max(seconds, 0.0), MAX_WAIT_SECONDS)


def _read_date(text: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(text) if text else None
    except (ValueError, OverflowError):  # OverflowError: an absurd time zone
        return None
    return date.replace(tzinfo=UTC) if date is not None and date.tzinfo is None else date
