"""Parses and formats amounts in US dollars: 5, 0.25, $1.50."""

import re
from decimal import ROUND_FLOOR, Decimal

import typer

_WRITTEN = re.compile(r"\$?(\d{1,9}(?:\.\d+)?)", re.ASCII)
_MICROS = 1_000_000


def read_dollars(text: str) -> int:
    """Returns an amount in millionths of a dollar, rounded down.

    Raises:
        typer.BadParameter: The text is not an amount.
    """
    written = _WRITTEN.fullmatch(text)
    if written is None:
        raise typer.BadParameter("not an amount of dollars: write 5 or 0.25")
    return int((Decimal(written[1]) * _MICROS).to_integral_value(ROUND_FLOOR))


def dollars(micros: int) -> str:
    """Returns an amount with four decimal places."""
    return f"{micros / _MICROS:,.4f}"
