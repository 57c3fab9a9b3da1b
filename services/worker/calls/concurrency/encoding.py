"""Text in which workers share the state of a limit and their reports.

Unknown fields are ignored, because workers of several versions may share a limit.
"""

import json
import math
from dataclasses import asdict, fields
from typing import Any, TypeVar

from services.worker.calls.concurrency.fleet import Report
from services.worker.calls.concurrency.round import Round
from services.worker.calls.concurrency.rule import LimitState

T = TypeVar("T")


def encode_state(state: LimitState, now: float) -> str:
    """Returns a state as JSON. Its times are relative.

    Args:
        state: The state.
        now: Time, by the clock of the state.
    """
    return json.dumps(asdict(state) | {"quiet_until": state.quiet_until - now})


def decode_state(text: str, age_seconds: float, now: float) -> LimitState | None:
    """Returns a shared state. None if it cannot be read.

    Args:
        text: JSON.
        age_seconds: Time since it was written.
        now: Time, by the clock of this process.
    """
    try:
        values = json.loads(text)
        values["quiet_until"] += now - age_seconds
        values["counted"] = {name: (int(b), int(r)) for name, (b, r) in values.get("counted", {}).items()}
        return _read(LimitState, values)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def encode_report(report: Report) -> str:
    """Returns a report as JSON."""
    return json.dumps(asdict(report))


def decode_report(text: str) -> Report | None:
    """Returns a report of another worker. None if it cannot be read."""
    try:
        values = json.loads(text)
        values["calls"] = _read(Round, values["calls"])
        return _read(Report, values)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _read(kind: type[T], values: dict[str, Any]) -> T:
    """Returns an object of the values.

    Raises:
        TypeError: A value is missing, or is not of the type of its field.
        ValueError: A value is not a number.
    """
    known = {field.name: values[field.name] for field in fields(kind) if field.name in values}  # type: ignore[arg-type]
    for name, value in known.items():
        if name in ("decision_id", "counted", "calls"):
            continue
        if not isinstance(value, int | float):
            raise TypeError(name)
        if math.isnan(value):
            raise ValueError(name)
    return kind(**known)
