"""How long a provider asks to wait."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# A longer wait than this is a mistake of the provider's.
MAX_WAIT_SECONDS = 86_400.0


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Returns the seconds to wait, 0 to a day, or None where the headers ask for nothing.

    Reads ``retry-after-ms``, then ``retry-after`` in seconds or as a date. A date counts from the answer's
    own ``date``, so that a clock that is wrong here does no harm.

    Args:
        headers: Of an answer; names in any case.
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
    except ValueError:
        return None
    return date.replace(tzinfo=UTC) if date is not None and date.tzinfo is None else date
