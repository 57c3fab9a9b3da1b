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
    price = read_prices().of("gpt-4o-mini")
    assert price is not None
    assert price.of_tier("default") == price
    assert price._replace(service_tiers={}) == Price(150_000, 75_000, 600_000)
    assert price.of_tier("priority") == Price(250_000, 125_000, 1_000_000)
    assert read_prices().of("nobodys-model") is None


def tiers(entry):
    return {"models": {"m": {"input": 1, "cached_input": 0.5, "output": 4, "service_tiers": entry}}}


@pytest.mark.parametrize(
    ("entry", "tier", "expected"),
    [
        ({"flex": 0.5}, "flex", Price(500_000, 250_000, 2_000_000)),
        ({"Flex": 0.5}, "FLEX", Price(500_000, 250_000, 2_000_000)),
        ({"flex": {"input": 3, "output": 5}}, "flex", Price(3_000_000, 3_000_000, 5_000_000)),
        (
            {"flex": {"input": 3, "cached_input": 1, "output": 5}},
            "flex",
            Price(3_000_000, 1_000_000, 5_000_000),
        ),
        ({"batch": 0}, "batch", Price(0, 0, 0)),
        ({"scale": 0.0000001}, "scale", Price(1, 1, 1)),
        ({"flex": 0.5}, "priority", Price(1_000_000, 500_000, 4_000_000)),
        ({"flex": 0.5}, "", Price(1_000_000, 500_000, 4_000_000)),
        ({"flex": 0.5}, None, Price(1_000_000, 500_000, 4_000_000)),
        ({"default": 0.9, "flex": 0.5}, "default", Price(900_000, 450_000, 3_600_000)),
        ({}, "flex", Price(1_000_000, 500_000, 4_000_000)),
    ],
)
def test_a_service_tier_has_its_own_price_or_that_of_the_model(write_prices, entry, tier, expected):
    price = read_prices(write_prices(tiers(entry))).of("m")
    assert price is not None
    assert price.of_tier(tier)._replace(service_tiers={}) == expected


@pytest.mark.parametrize(
    ("entry", "tier", "expected"),
    [
        ({"flex": 0.5, "priority": 2}, "auto", (2_000_000, 1_000_000, 8_000_000)),
        ({"flex": 0.5}, "auto", (1_000_000, 500_000, 4_000_000)),
        (
            {"a": {"input": 9, "output": 1}, "b": {"input": 1, "output": 7}},
            "auto",
            (9_000_000, 9_000_000, 7_000_000),
        ),
        ({"auto": 0.5, "priority": 2}, "auto", (500_000, 250_000, 2_000_000)),
        ({"flex": 0.5, "priority": 2}, "flex", (500_000, 250_000, 2_000_000)),
        ({"flex": 0.5, "priority": 2}, None, (1_000_000, 500_000, 4_000_000)),
    ],
)
def test_an_estimate_takes_the_most_expensive_tier_if_the_provider_chooses(
    write_prices, entry, tier, expected
):
    price = read_prices(write_prices(tiers(entry))).of("m")
    assert price is not None
    assert price.highest_of_tier(tier)[:3] == expected


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (tiers([]), 'model m must have an object as "service_tiers"'),
        (tiers({"flex": "half"}), "model m, service tier flex must be an object with prices, or a factor"),
        (tiers({"flex": -1}), "model m, service tier flex must be .* a factor"),
        (tiers({"flex": True}), "model m, service tier flex must be .* a factor"),
        (tiers({"flex": None}), "model m, service tier flex must be .* a factor"),
        (tiers({"flex": 2000}), "model m, service tier flex must be .* from 0 to 1,000"),
        (tiers({"flex": {"input": 1}}), 'model m, service tier flex must have "input" and "output"'),
        (tiers({"flex": {"input": 1, "output": "x"}}), "model m, service tier flex has a price that is not"),
        (
            tiers({"flex": {"input": 1, "output": 1, "service_tiers": {}}}),
            "model m, service tier flex has an unknown member: service_tiers",
        ),
        (tiers({"flex": 1, "Flex": 2}), "model m has a service tier without a name, or twice"),
        (tiers({"": 1}), "model m has a service tier without a name"),
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
