"""Prices of models, and the cost of a call."""

import re
from collections.abc import Mapping
from typing import NamedTuple

_TOKENS_PER_PRICE = 1_000_000  # tokens that a price is for
_DATE = re.compile(r"-\d{4}-\d{2}-\d{2}$")


class Price(NamedTuple):
    """The price of a model's tokens, in millionths of a US dollar per million tokens.

    Attributes:
        input: Price of input tokens.
        cached_input: Price of input tokens from the provider's prompt cache.
        output: Price of output tokens.
    """

    input: int
    cached_input: int
    output: int

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
