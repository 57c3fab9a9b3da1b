"""Reads a price file.

It is JSON: ``{"models": {NAME: {"input": 0.15, "cached_input": 0.075, "output": 0.6}}}``, in US dollars per
million tokens. Without ``cached_input``, cached tokens cost as much as others. Other members of the file are
ignored.
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from services.shared.prices.prices import Price, Prices

DEFAULT_FILE = Path(__file__).with_name("default_prices.json")
_MICROS = 1_000_000
_MAX_DOLLARS = 1_000_000


def read_prices(path: str | Path | None = None) -> Prices:
    """Returns the prices in a file.

    Args:
        path: The file. None for the prices that come with Headrace.

    Raises:
        ValueError: The file cannot be read or is invalid. The message says what is wrong.
    """
    try:
        content = json.loads(Path(path or DEFAULT_FILE).read_text("utf-8"), parse_float=Decimal)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"cannot be read ({type(error).__name__}); name a readable JSON file in UTF-8"
        ) from None
    except json.JSONDecodeError as error:
        raise ValueError(f"is not valid JSON: {error.msg} in line {error.lineno}") from None
    models = content.get("models") if isinstance(content, dict) else None
    if not isinstance(models, dict):
        raise ValueError('must be a JSON object with a member "models" that is an object')
    return Prices({name: _price(name, entry) for name, entry in models.items()})


def _price(name: str, entry: Any) -> Price:
    if not isinstance(entry, dict) or not {"input", "output"} <= entry.keys():
        raise ValueError(f'model {name} must have "input" and "output"')
    unknown = entry.keys() - {"input", "cached_input", "output"}
    if unknown:
        raise ValueError(
            f"model {name} has an unknown member: {', '.join(sorted(unknown))}; "
            "the members are input, cached_input and output"
        )
    input_price = _micros(name, entry["input"])
    cached = _micros(name, entry["cached_input"]) if "cached_input" in entry else input_price
    return Price(input_price, cached, _micros(name, entry["output"]))


def _micros(name: str, dollars: Any) -> int:
    is_number = isinstance(dollars, (int, Decimal)) and not isinstance(dollars, bool)
    if not is_number or not 0 <= dollars <= _MAX_DOLLARS:
        raise ValueError(f"model {name} has a price that is not a number from 0 to {_MAX_DOLLARS:,}")
    micros = Decimal(dollars) * _MICROS
    return int(micros.to_integral_value(rounding="ROUND_CEILING"))
