"""Lengths of time in requests: told in the largest unit that fits, and checked."""

import re

from google.protobuf.duration_pb2 import Duration

_SECONDS = re.compile(r"([\d.]+)s\b")
_UNITS = ((86_400, "days"), (3_600, "hours"), (60, "minutes"), (1, "s"))


def in_words(seconds: float) -> str:
    """Returns a length of time such as ``366 days``, ``1 hour``, ``90 s`` or ``1 ms``."""
    for size, name in _UNITS:
        if seconds >= size and seconds % size == 0:
            count = int(seconds // size)
            return f"{count:,} {name.removesuffix('s') if count == 1 and size > 1 else name}"
    return f"{seconds * 1000:g} ms"


def range_in_words(told: str) -> str:
    """Returns the range in a sentence of protovalidate, whose bounds are seconds, in words.

    Args:
        told: Such as ``must be greater than or equal to 1s and less than or equal to 31622400s``.
    """
    least, most = (in_words(float(bound)) for bound in _SECONDS.findall(told))
    return f"{least} to {most}"


def is_normal(duration: Duration) -> bool:
    """Returns whether a length of time that is not below 0 has its fractions in nanos, and nothing else."""
    return 0 <= duration.nanos < 1_000_000_000
