"""Prices of models, and the cost of a call by them."""

import re
from collections.abc import Mapping
from typing import NamedTuple

_PER_PRICE = 1_000_000  # a price is that of so many tokens
_DATE = re.compile(r"-\d{4}-\d{2}-\d{2}$")


class Price(NamedTuple):
    """The price of a model's tokens, in millionths of a US dollar per million tokens.

    Attributes:
        input: Of tokens of the chat.
        cached_input: Of those of them that came from the provider's prompt cache.
        output: Of tokens of the answer.
    """

    input: int
    cached_input: int
    output: int

    def cost_micros(self, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> int:
        """Returns what a call costs, in millionths of a US dollar, rounded up.

        Args:
            input_tokens: Of the chat, cached ones included.
            output_tokens: Of the answer.
            cached_tokens: Those of input_tokens that came from the cache.
        """
        cached = min(cached_tokens, input_tokens)
        sum_of_prices = (
            (input_tokens - cached) * self.input + cached * self.cached_input + output_tokens * self.output
        )
        return -(-sum_of_prices // _PER_PRICE)


class Prices:
    """Prices by model.

    Args:
        by_name: By the provider's name of the model; a name that ends with ``*`` stands for all that begin
            with what is before it.
    """

    def __init__(self, by_name: Mapping[str, Price]) -> None:
        self._exact = {name: price for name, price in by_name.items() if not name.endswith("*")}
        beginnings = {name[:-1]: price for name, price in by_name.items() if name.endswith("*")}
        self._beginnings = sorted(beginnings.items(), key=lambda entry: -len(entry[0]))

    def of(self, model: str) -> Price | None:
        """Returns the price of a model, None where it is not known.

        Its own name goes first, then the name without a date at its end (``gpt-4o-2024-08-06``), then the
        longest beginning.
        """
        price = self._exact.get(model) or self._exact.get(_DATE.sub("", model))
        if price is not None:
            return price
        return next((price for start, price in self._beginnings if model.startswith(start)), None)
