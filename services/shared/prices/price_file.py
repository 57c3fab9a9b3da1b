"""Reads a price file.

It is JSON: ``{"models": {NAME: {"input": 0.15, "cached_input": 0.075, "output": 0.6}}}``, in US dollars per
million tokens. Without ``cached_input``, cached tokens cost as much as others. A model may have
``"service_tiers": {TIER: PRICE}``, where PRICE is an object with the same members, or a factor of the model's
prices: ``{"flex": 0.5, "priority": {"input": 0.25, "output": 1}}``. Other members of the file are ignored.
"""

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from services.shared.prices.prices import Price, Prices

DEFAULT_FILE = Path(__file__).with_name("default_prices.json")
_MICROS = 1_000_000
_MAX_DOLLARS = 1_000_000
_MAX_FACTOR = 1_000


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
    return Prices({name: _price(f"model {name}", entry) for name, entry in models.items()})


def _price(place: str, entry: Any) -> Price:
    price = _own_price(place, entry, ("input", "cached_input", "output", "service_tiers"))
    tiers = entry.get("service_tiers", {})
    if not isinstance(tiers, dict):
        raise ValueError(f'{place} must have an object as "service_tiers", with a price by tier')
    by_tier: dict[str, Price] = {}
    for tier, value in tiers.items():
        if not tier or tier.lower() in by_tier:
            raise ValueError(f"{place} has a service tier without a name, or twice: {tier.lower()!r}")
        by_tier[tier.lower()] = _tier_price(f"{place}, service tier {tier}", value, price)
    return price._replace(service_tiers=by_tier) if by_tier else price


def _tier_price(place: str, value: Any, price: Price) -> Price:
    if isinstance(value, dict):
        return _own_price(place, value, ("input", "cached_input", "output"))
    if not _is_number(value) or not 0 <= value <= _MAX_FACTOR:
        raise ValueError(
            f"{place} must be an object with prices, or a factor from 0 to {_MAX_FACTOR:,} of the model's"
        )
    return price.times(Decimal(value))


def _own_price(place: str, entry: Any, members: Sequence[str]) -> Price:
    if not isinstance(entry, dict) or not {"input", "output"} <= entry.keys():
        raise ValueError(f'{place} must have "input" and "output"')
    unknown = entry.keys() - set(members)
    if unknown:
        raise ValueError(
            f"{place} has an unknown member: {', '.join(sorted(unknown))}; "
            f"the members are {', '.join(members[:-1])} and {members[-1]}"
        )
    input_price = _micros(place, entry["input"])
    cached = _micros(place, entry["cached_input"]) if "cached_input" in entry else input_price
    return Price(input_price, cached, _micros(place, entry["output"]))


def _micros(place: str, dollars: Any) -> int:
    if not _is_number(dollars) or not 0 <= dollars <= _MAX_DOLLARS:
        raise ValueError(f"{place} has a price that is not a number from 0 to {_MAX_DOLLARS:,}")
    micros = Decimal(dollars) * _MICROS
    return int(micros.to_integral_value(rounding="ROUND_CEILING"))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool)
