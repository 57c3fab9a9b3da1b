"""Durations and instants that callers give, as messages."""

import math
from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from headrace.errors import FieldViolation, InvalidArgumentError

_MAX_SECONDS = 315_576_000_000  # of a Duration; what a field allows the gateway knows
_NO_LENGTH = object()  # no field of a request holds it


def from_duration(length: timedelta | float | None) -> object:
    """Returns a timedelta or a number of seconds as a message for ``build_request``; None is none.

    What is no length of time becomes a value that no request holds, so that build_request names its field.
    """
    if length is None:
        return None
    if isinstance(length, timedelta):
        seconds = length.total_seconds()
    elif isinstance(length, (int, float)) and not isinstance(length, bool):
        seconds = length
    else:
        return _NO_LENGTH
    if not -_MAX_SECONDS <= seconds <= _MAX_SECONDS or not math.isfinite(seconds):
        return _NO_LENGTH
    duration = Duration()
    duration.FromMicroseconds(round(seconds * 1_000_000))
    return duration


def from_schedule_time(instant: datetime | None) -> Timestamp | None:
    """Returns a wanted start as a message; None is none.

    Raises:
        InvalidArgumentError: It is no instant: not a datetime, or one without a time zone.
    """
    if instant is None:
        return None
    if not isinstance(instant, datetime) or instant.utcoffset() is None:
        violation = FieldViolation("schedule_time", "must be a datetime with a time zone, such as in UTC")
        raise InvalidArgumentError("schedule_time is no instant", violations=[violation])
    message = Timestamp()
    message.FromDatetime(instant.astimezone(UTC))
    return message
