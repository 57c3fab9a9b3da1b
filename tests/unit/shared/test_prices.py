"""Prices of models: where they come from, and what a call costs by them."""

import json

import pytest

from services.shared.prices import Price, Prices, read_prices


@pytest.fixture
def write_prices(tmp_path):
    def write(content):
        path = tmp_path / "prices.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def test_a_call_costs_its_tokens_with_cached_ones_at_their_own_price():
    price = Price(input=2_000_000, cached_input=500_000, output=8_000_000)
    assert price.cost_micros(1_000, 100, cached_tokens=400) == 600 * 2 + 200 + 800


def test_a_cost_is_rounded_up_to_a_whole_millionth_for_each_call():
    price = Price(input=150_000, cached_input=75_000, output=600_000)
    assert price.cost_micros(1, 0) == 1
    assert price.cost_micros(20, 0) == 3
    assert price.cost_micros(21, 0) == 4
    assert price.cost_micros(0, 0) == 0


def test_a_price_in_the_file_is_dollars_per_million_tokens_to_the_last_digit(write_prices):
    prices = read_prices(write_prices({"models": {"m": {"input": 0.1, "cached_input": 0.025, "output": 3}}}))
    assert prices.of("m") == Price(100_000, 25_000, 3_000_000)


def test_without_a_price_of_their_own_cached_tokens_cost_as_much_as_others(write_prices):
    price = read_prices(write_prices({"models": {"m": {"input": 2, "output": 3}}})).of("m")
    assert price is not None
    assert price.cached_input == price.input


def test_a_model_is_found_by_its_name_then_without_its_date_then_by_the_longest_beginning():
    names = ("gpt-4o", "gpt-4o-mini", "gpt-*", "gpt-4*")
    prices = Prices({name: Price(place, 0, 0) for place, name in enumerate(names)})
    found = {
        model: price.input if (price := prices.of(model)) else None
        for model in ("gpt-4o", "gpt-4o-mini-2024-07-18", "gpt-4o-audio", "gpt-5", "llama")
    }
    assert found == {"gpt-4o": 0, "gpt-4o-mini-2024-07-18": 1, "gpt-4o-audio": 3, "gpt-5": 2, "llama": None}


def test_a_model_that_costs_nothing_has_a_known_price(write_prices):
    assert read_prices(write_prices({"models": {"local": {"input": 0, "output": 0}}})).of("local") == Price(
        0, 0, 0
    )


def test_the_default_file_knows_the_default_model_and_not_every_model():
    assert read_prices().of("gpt-4o-mini") == Price(150_000, 75_000, 600_000)
    assert read_prices().of("nobodys-model") is None


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "is not valid JSON"),
        ([], "models"),
        ({"models": []}, "models"),
        ({"models": {"m": {"input": 1}}}, "model m must have"),
        ({"models": {"m": {"input": 1, "output": "2"}}}, "model m has a price that is not a number"),
        ({"models": {"m": {"input": -1, "output": 2}}}, "model m has a price that is not a number"),
        ({"models": {"m": {"input": True, "output": 2}}}, "model m has a price that is not a number"),
        ('{"models": {"m": {"input": NaN, "output": 2}}}', "model m has a price that is not a number"),
        ({"models": {"m": {"input": 1, "output": 2, "cache": 1}}}, "unknown member: cache"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_what_is_wrong(write_prices, content, complaint):
    with pytest.raises(ValueError, match=complaint):
        read_prices(write_prices(content))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match="cannot be read"):
        read_prices(tmp_path / "none.json")
