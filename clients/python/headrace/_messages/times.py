"""Converts durations and instants to messages."""

import math
from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

_MAX_SECONDS = 315_576_000_000  # of a Duration; the gateway knows the limit of each field
_UNSENDABLE = object()  # no request can hold it, so build_request names its field


def from_duration(duration: timedelta | float | None) -> object:
    """Returns a timedelta or a number of seconds as a Duration; None stays None.

    Any other value becomes one that ``build_request`` refuses by the name of its field.
    """
    if duration is None:
        return None
    if isinstance(duration, timedelta):
        seconds = duration.total_seconds()
    elif isinstance(duration, (int, float)) and not isinstance(duration, bool):
        seconds = duration
    else:
        return _UNSENDABLE
    if not -_MAX_SECONDS <= seconds <= _MAX_SECONDS or not math.isfinite(seconds):
        return _UNSENDABLE
    message = Duration()
    message.FromMicroseconds(round(seconds * 1_000_000))
    return message


def from_instant(instant: datetime | None) -> object:
    """Returns a datetime with a time zone as a Timestamp; None stays None.

    Any other value becomes one that ``build_request`` refuses by the name of its field.
    """
    if instant is None:
        return None
    if not isinstance(instant, datetime) or instant.utcoffset() is None:
        return _UNSENDABLE
    message = Timestamp()
    message.FromDatetime(instant.astimezone(UTC))
    return message
