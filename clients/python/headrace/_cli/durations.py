"""Parses durations (90, 90s, 500ms, 1.5m, 2h, 7d) and formats them (1:30)."""

import re
from datetime import timedelta

import typer

_WRITTEN = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd]?)", re.ASCII)
_SECONDS = {"ms": 0.001, "": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}


def read_duration(text: str) -> timedelta:
    """Returns a duration. A number alone is in seconds.

    Raises:
        typer.BadParameter: The text is not a duration.
    """
    written = _WRITTEN.fullmatch(text)
    try:
        if written:
            return timedelta(seconds=float(written[1]) * _SECONDS[written[2]])
    except OverflowError:
        pass
    raise typer.BadParameter("not a duration: write 90 or 90s, 500ms, 15m, 2h, 7d")


def duration(seconds: float) -> str:
    """Returns a duration as ``m:ss``, or ``h:mm:ss`` from one hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
