"""Prices of models, and the cost of a call."""

import re
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

_TOKENS_PER_PRICE = 1_000_000  # tokens that a price is for
_AUTO = "auto"  # the provider chooses the tier
_DATE = re.compile(r"-\d{4}-\d{2}-\d{2}$")


class Price(NamedTuple):
    """The price of a model's tokens, in millionths of a US dollar per million tokens.

    Attributes:
        input: Price of input tokens.
        cached_input: Price of input tokens from the provider's prompt cache.
        output: Price of output tokens.
        service_tiers: Prices by service tier, in lower case.
    """

    input: int
    cached_input: int
    output: int
    service_tiers: "Mapping[str, Price]" = MappingProxyType({})

    def of_tier(self, tier: str | None) -> "Price":
        """Returns the price in a service tier. Without a price of its own, a tier costs what others do."""
        if not tier or not self.service_tiers:
            return self
        return self.service_tiers.get(tier.lower(), self)

    def highest_of_tier(self, tier: str | None) -> "Price":
        """Returns the highest price of a call that asks for a service tier, for an estimate.

        For ``auto`` it is the most expensive of all tiers, since the provider chooses.
        """
        if not tier or tier.lower() != _AUTO or _AUTO in self.service_tiers:
            return self.of_tier(tier)
        prices = [self, *self.service_tiers.values()]
        return Price(
            input=max(price.input for price in prices),
            cached_input=max(price.cached_input for price in prices),
            output=max(price.output for price in prices),
        )

    def times(self, factor: Decimal) -> "Price":
        """Returns the price multiplied by a factor, rounded up."""
        return Price(
            input=_round_up(self.input * factor),
            cached_input=_round_up(self.cached_input * factor),
            output=_round_up(self.output * factor),
        )

    def cost_micros(self, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> int:
        """Returns the cost of a call, in millionths of a US dollar, rounded up.

        Args:
            input_tokens: Input tokens, including cached ones.
            output_tokens: Output tokens.
            cached_tokens: Input tokens from the provider's prompt cache.
        """
        cached = min(cached_tokens, input_tokens)
        sum_of_prices = (
            (input_tokens - cached) * self.input + cached * self.cached_input + output_tokens * self.output
        )
        return -(-sum_of_prices // _TOKENS_PER_PRICE)


def _round_up(micros: Decimal) -> int:
    return int(micros.to_integral_value(rounding="ROUND_CEILING"))


class Prices:
    """Prices by model.

    Args:
        by_name: Prices by the provider's name of the model. A name that ends with ``*`` applies to every
            model with that prefix.
    """

    def __init__(self, by_name: Mapping[str, Price]) -> None:
        self._exact = {name: price for name, price in by_name.items() if not name.endswith("*")}
        prefixes = {name[:-1]: price for name, price in by_name.items() if name.endswith("*")}
        self._prefixes = sorted(prefixes.items(), key=lambda entry: -len(entry[0]))

    def of(self, model: str) -> Price | None:
        """Returns the price of a model. None if it is unknown.

        The exact name comes first, then the name without its final date (``gpt-4o-2024-08-06``), then the
        longest prefix.
        """
        price = self._exact.get(model) or self._exact.get(_DATE.sub("", model))
        if price is not None:
            return price
        return next((price for prefix, price in self._prefixes if model.startswith(prefix)), None)
