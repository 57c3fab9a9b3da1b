"""Prices of models, from a file."""

from services.shared.prices.price_file import read_prices
from services.shared.prices.prices import Price, Prices

__all__ = ["Price", "Prices", "read_prices"]
