"""Durations in requests: their validity, and their text in the largest unit that fits."""

import re

from google.protobuf.duration_pb2 import Duration

_SECONDS = re.compile(r"([\d.]+)s\b")
_UNITS = ((86_400, "days"), (3_600, "hours"), (60, "minutes"), (1, "s"))


def in_words(seconds: float) -> str:
    """Returns a duration such as ``366 days``, ``1 hour``, ``90 s`` or ``1 ms``."""
    for size, name in _UNITS:
        if seconds >= size and seconds % size == 0:
            count = int(seconds // size)
            return f"{count:,} {name.removesuffix('s') if count == 1 and size > 1 else name}"
    return f"{seconds * 1000:g} ms"


def range_in_words(message: str) -> str:
    """Returns the range of a protovalidate message, whose bounds are in seconds, such as ``1 s to 366 days``.

    Args:
        message: Such as ``must be greater than or equal to 1s and less than or equal to 31622400s``.
    """
    lower, upper = (in_words(float(bound)) for bound in _SECONDS.findall(message))
    return f"{lower} to {upper}"


def is_normal(duration: Duration) -> bool:
    """Returns whether a duration of 0 or more has nanos from 0 to 999,999,999."""
    return 0 <= duration.nanos < 1_000_000_000
